import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import genaigrpc.v1beta.Content;
import genaigrpc.v1beta.GenerateContentRequest;
import genaigrpc.v1beta.GenerateContentResponse;
import genaigrpc.v1beta.GenerationConfig;
import genaigrpc.v1beta.GenerativeServiceGrpc;
import genaigrpc.v1beta.GenerativeServiceGrpc.GenerativeServiceBlockingStub;
import genaigrpc.v1beta.Part;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Generates, streams and chats with the Gemini API over gRPC, using only the compiled protos.
 *
 * <pre>GEMINI_API_KEY=... java Demo [model [seconds]]</pre>
 *
 * <p>It calls Google's endpoint, or the server that GENAI_GRPC_ENDPOINT names, e.g. http://127.0.0.1:50051. Each call
 * has its own deadline, by default 120 seconds after its start.
 */
public final class Demo {
  private static final Metadata.Key<String> API_KEY =
      Metadata.Key.of("x-goog-api-key", Metadata.ASCII_STRING_MARSHALLER);

  /** Ends a reply that gets long, as those of a small model may. */
  private static final int MAX_OUTPUT_TOKENS = 100;

  private final GenerativeServiceBlockingStub service;
  private final String model;
  private final long timeoutMillis;

  private Demo(GenerativeServiceBlockingStub service, String model, double seconds) {
    this.service = service;
    this.model = model;
    this.timeoutMillis = Math.round(seconds * 1000);
  }

  public static void main(String[] arguments) {
    String model = arguments.length > 0 ? arguments[0] : "models/gemini-flash-latest";
    double seconds = arguments.length > 1 ? Double.parseDouble(arguments[1]) : 120;
    Map<String, String> environment = System.getenv();
    Metadata metadata = new Metadata();
    metadata.put(API_KEY, environment.getOrDefault("GEMINI_API_KEY", ""));
    ManagedChannel channel = connect(environment.getOrDefault("GENAI_GRPC_ENDPOINT", ""));
    try {
      GenerativeServiceBlockingStub service =
          GenerativeServiceGrpc.newBlockingStub(channel)
              .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
      Demo demo = new Demo(service, model, seconds);
      demo.generate();
      demo.stream();
      demo.chat();
    } catch (StatusRuntimeException error) {
      System.err.println(explain(error));
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }

  private static ManagedChannel connect(String endpoint) {
    String plaintext = "http://";
    if (endpoint.startsWith(plaintext)) {
      return ManagedChannelBuilder.forTarget(endpoint.substring(plaintext.length())).usePlaintext().build();
    }
    return ManagedChannelBuilder.forTarget("generativelanguage.googleapis.com:443").build();
  }

  private void generate() {
    System.out.println(text(withDeadline().generateContent(request(List.of(userTurn("Name three fruits."))))));
  }

  private void stream() {
    GenerateContentRequest request = request(List.of(userTurn("Describe a sunrise in one sentence.")));
    withDeadline().streamGenerateContent(request).forEachRemaining(chunk -> System.out.print(text(chunk)));
    System.out.println();
  }

  /** Sends the whole conversation with each request, since the service does not store it. */
  private void chat() {
    List<Content> turns = new ArrayList<>();
    for (String message : List.of("My name is Ada.", "What is my name?")) {
      turns.add(userTurn(message));
      GenerateContentResponse response = withDeadline().generateContent(request(turns));
      response.getCandidatesList().stream().findFirst().ifPresent(candidate -> turns.add(candidate.getContent()));
      System.out.println(text(response));
    }
  }

  private GenerativeServiceBlockingStub withDeadline() {
    return service.withDeadlineAfter(timeoutMillis, TimeUnit.MILLISECONDS);
  }

  private GenerateContentRequest request(List<Content> turns) {
    return GenerateContentRequest.newBuilder()
        .setModel(model)
        .addAllContents(turns)
        .setGenerationConfig(GenerationConfig.newBuilder().setMaxOutputTokens(MAX_OUTPUT_TOKENS))
        .build();
  }

  private static Content userTurn(String text) {
    return Content.newBuilder().setRole("user").addParts(Part.newBuilder().setText(text)).build();
  }

  private static String text(GenerateContentResponse response) {
    return response.getCandidatesList().stream()
        .limit(1)
        .flatMap(candidate -> candidate.getContent().getPartsList().stream())
        .map(Part::getText)
        .collect(Collectors.joining());
  }

  /** Formats the status of a failed call with its details. */
  private static String explain(StatusRuntimeException error) {
    StringBuilder lines = new StringBuilder();
    lines.append(error.getStatus().getCode()).append(": ").append(error.getStatus().getDescription());
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      lines.append("\n  ").append(describe(detail));
    }
    return lines.toString();
  }

  private static String describe(Any detail) {
    if (!detail.is(ErrorInfo.class)) {
      return detail.getTypeUrl();
    }
    try {
      ErrorInfo info = detail.unpack(ErrorInfo.class);
      return "google.rpc.ErrorInfo: " + info.getReason() + " " + info.getDomain() + " " + info.getMetadataMap();
    } catch (InvalidProtocolBufferException malformed) {
      return detail.getTypeUrl() + ": " + malformed.getMessage();
    }
  }
}
