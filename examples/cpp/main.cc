// Generates, streams and chats with the Gemini API over gRPC, using only the compiled protos.
//
//     GEMINI_API_KEY=... demo [model [seconds]]
//
// It calls Google's endpoint, or the server that GENAI_GRPC_ENDPOINT names, e.g. http://127.0.0.1:50051. Each call has
// its own deadline, by default 120 seconds after its start.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "google/ai/generativelanguage/v1beta/generative_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace genai = google::ai::generativelanguage::v1beta;

namespace {

std::string Environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint) {
  const std::string plaintext = "http://";
  if (endpoint.rfind(plaintext, 0) == 0) {
    return grpc::CreateChannel(endpoint.substr(plaintext.size()), grpc::InsecureChannelCredentials());
  }
  return grpc::CreateChannel(endpoint, grpc::SslCredentials({}));
}

std::string Text(const genai::GenerateContentResponse& response) {
  std::string text;
  if (response.candidates_size() > 0) {
    for (const auto& part : response.candidates(0).content().parts()) text += part.text();
  }
  return text;
}

void AddUserTurn(genai::GenerateContentRequest& request, const std::string& text) {
  genai::Content* turn = request.add_contents();
  turn->set_role("user");
  turn->add_parts()->set_text(text);
}

// Ends a reply that gets long, as those of a small model may.
constexpr int kMaxOutputTokens = 100;

class Demo {
 public:
  Demo(const std::shared_ptr<grpc::Channel>& channel, std::string model, std::chrono::duration<double> timeout)
      : stub_(genai::GenerativeService::NewStub(channel)), model_(std::move(model)), timeout_(timeout) {}

  grpc::Status Generate() {
    genai::GenerateContentRequest request = Request();
    AddUserTurn(request, "Name three fruits.");
    return GenerateAndPrint(request, nullptr);
  }

  grpc::Status Stream() {
    genai::GenerateContentRequest request = Request();
    AddUserTurn(request, "Describe a sunrise in one sentence.");
    grpc::ClientContext context;
    SetMetadataAndDeadline(context);
    auto chunks = stub_->StreamGenerateContent(&context, request);
    for (genai::GenerateContentResponse chunk; chunks->Read(&chunk);) std::cout << Text(chunk) << std::flush;
    std::cout << std::endl;
    return chunks->Finish();
  }

  // Sends the whole conversation with each request, since the service does not store it.
  grpc::Status Chat() {
    genai::GenerateContentRequest request = Request();
    for (const char* message : {"My name is Ada.", "What is my name?"}) {
      AddUserTurn(request, message);
      genai::GenerateContentResponse response;
      if (grpc::Status status = GenerateAndPrint(request, &response); !status.ok()) return status;
      if (response.candidates_size() > 0) *request.add_contents() = response.candidates(0).content();
    }
    return grpc::Status::OK;
  }

 private:
  genai::GenerateContentRequest Request() const {
    genai::GenerateContentRequest request;
    request.set_model(model_);
    request.mutable_generation_config()->set_max_output_tokens(kMaxOutputTokens);
    return request;
  }

  void SetMetadataAndDeadline(grpc::ClientContext& context) const {
    context.AddMetadata("x-goog-api-key", Environment("GEMINI_API_KEY", ""));
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout_));
  }

  grpc::Status GenerateAndPrint(const genai::GenerateContentRequest& request,
                                genai::GenerateContentResponse* result) const {
    grpc::ClientContext context;
    SetMetadataAndDeadline(context);
    genai::GenerateContentResponse response;
    grpc::Status status = stub_->GenerateContent(&context, request, &response);
    if (status.ok()) std::cout << Text(response) << std::endl;
    if (result != nullptr) *result = std::move(response);
    return status;
  }

  std::unique_ptr<genai::GenerativeService::Stub> stub_;
  std::string model_;
  std::chrono::duration<double> timeout_;
};

// Prints the status of a failed call with its details.
void PrintError(const grpc::Status& error) {
  std::cerr << "status " << error.error_code() << ": " << error.error_message() << '\n';
  google::rpc::Status status;
  if (!status.ParseFromString(error.error_details())) return;
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) {
      std::cerr << "  google.rpc.ErrorInfo: " << info.ShortDebugString() << '\n';
    } else {
      std::cerr << "  " << detail.type_url() << '\n';
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string model = argc > 1 ? argv[1] : "models/gemini-flash-latest";
  const std::chrono::duration<double> timeout(argc > 2 ? std::stod(argv[2]) : 120.0);
  Demo demo(Connect(Environment("GENAI_GRPC_ENDPOINT", "generativelanguage.googleapis.com")), model, timeout);
  for (auto step : {&Demo::Generate, &Demo::Stream, &Demo::Chat}) {
    if (grpc::Status status = (demo.*step)(); !status.ok()) {
      PrintError(status);
      return 1;
    }
  }
}
