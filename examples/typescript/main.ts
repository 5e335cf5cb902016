// Generates, streams and chats with the Gemini API over gRPC, using only the compiled protos.
//
//     GEMINI_API_KEY=... node dist/main.js [model [seconds]]
//
// It calls Google's endpoint, or the server that GENAI_GRPC_ENDPOINT names, e.g. http://127.0.0.1:50051. Each call has
// its own deadline, by default 120 seconds after its start.
import { type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "genai-grpc-protos/rpc/error_details";
import { type ContentSchema } from "genai-grpc-protos/v1beta/content";
import { type GenerateContentResponse, GenerativeService } from "genai-grpc-protos/v1beta/generative_service";

type Turn = MessageInitShape<typeof ContentSchema>;

const [model = "models/gemini-flash-latest", seconds = "120"] = process.argv.slice(2);
const timeoutMs = Number(seconds) * 1000;

const withApiKey: Interceptor = (next) => (request) => {
  request.header.set("x-goog-api-key", process.env.GEMINI_API_KEY ?? "");
  return next(request);
};
// Ends a reply that gets long, as those of a small model may.
const generationConfig = { maxOutputTokens: 100 };
const client = createClient(
  GenerativeService,
  createGrpcTransport({
    baseUrl: process.env.GENAI_GRPC_ENDPOINT ?? "https://generativelanguage.googleapis.com",
    interceptors: [withApiKey],
    defaultTimeoutMs: timeoutMs,
  }),
);

async function generate(): Promise<void> {
  const response = await client.generateContent({ model, contents: [userTurn("Name three fruits.")], generationConfig });
  console.log(text(response));
}

async function stream(): Promise<void> {
  const contents = [userTurn("Describe a sunrise in one sentence.")];
  for await (const chunk of client.streamGenerateContent({ model, contents, generationConfig })) {
    process.stdout.write(text(chunk));
  }
  console.log();
}

// Sends the whole conversation with each request, since the service does not store it.
async function chat(): Promise<void> {
  const contents: Turn[] = [];
  for (const message of ["My name is Ada.", "What is my name?"]) {
    contents.push(userTurn(message));
    const response = await client.generateContent({ model, contents, generationConfig });
    const content = response.candidates[0]?.content;
    if (content !== undefined) {
      contents.push(content);
    }
    console.log(text(response));
  }
}

function userTurn(text: string): Turn {
  return { role: "user", parts: [{ data: { case: "text", value: text } }] };
}

function text(response: GenerateContentResponse): string {
  const parts = response.candidates[0]?.content?.parts ?? [];
  return parts.map((part) => (part.data.case === "text" ? part.data.value : "")).join("");
}

// Formats the status of a failed call with its details.
function explain(error: ConnectError): string {
  const lines = [`${Code[error.code]}: ${error.rawMessage}`];
  for (const info of error.findDetails(ErrorInfoSchema)) {
    lines.push(`  ${info.$typeName}: ${info.reason} ${info.domain} ${JSON.stringify(info.metadata)}`);
  }
  return lines.join("\n");
}

try {
  await generate();
  await stream();
  await chat();
} catch (error) {
  console.error(explain(ConnectError.from(error)));
  process.exitCode = 1;
}
