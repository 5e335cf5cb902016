// Generates, streams and chats with the Gemini API over gRPC, on nothing but the compiled protos.
//
//     GEMINI_API_KEY=... node dist/main.js [model [seconds]]
//
// It asks Google's endpoint; GENAI_GRPC_ENDPOINT=http://127.0.0.1:50051 makes it ask a local server. Each call has its
// own deadline, 30 seconds from its start unless told otherwise.
import { type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "genai-grpc-protos/rpc/error_details";
import { type ContentSchema } from "genai-grpc-protos/v1beta/content";
import { type GenerateContentResponse, GenerativeService } from "genai-grpc-protos/v1beta/generative_service";

type Turn = MessageInitShape<typeof ContentSchema>;

const [model = "models/gemini-2.5-flash", seconds = "30"] = process.argv.slice(2);
const timeoutMs = Number(seconds) * 1000;

const withKey: Interceptor = (next) => (request) => {
  request.header.set("x-goog-api-key", process.env.GEMINI_API_KEY ?? "");
  return next(request);
};
const client = createClient(
  GenerativeService,
  createGrpcTransport({
    baseUrl: process.env.GENAI_GRPC_ENDPOINT ?? "https://generativelanguage.googleapis.com",
    interceptors: [withKey],
    defaultTimeoutMs: timeoutMs,
  }),
);

async function generate(): Promise<void> {
  const response = await client.generateContent({ model, contents: [say("Why is the sky blue?")] });
  console.log(text(response));
}

async function stream(): Promise<void> {
  const contents = [say("Tell me a story about a backpack.")];
  for await (const chunk of client.streamGenerateContent({ model, contents })) {
    process.stdout.write(text(chunk));
  }
  console.log();
}

// The whole conversation is sent each time: the service keeps nothing of it.
async function chat(): Promise<void> {
  const contents: Turn[] = [];
  for (const message of ["My name is Ada.", "What is my name?"]) {
    contents.push(say(message));
    const response = await client.generateContent({ model, contents });
    const answer = response.candidates[0]?.content;
    if (answer !== undefined) {
      contents.push(answer);
    }
    console.log(text(response));
  }
}

function say(words: string): Turn {
  return { role: "user", parts: [{ data: { case: "text", value: words } }] };
}

function text(response: GenerateContentResponse): string {
  const parts = response.candidates[0]?.content?.parts ?? [];
  return parts.map((part) => (part.data.case === "text" ? part.data.value : "")).join("");
}

// Names a call's status and shows the details that came with it.
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
