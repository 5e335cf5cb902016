// Generates, streams and chats with the Gemini API over gRPC, on nothing but the compiled protos.
//
//     GEMINI_API_KEY=... demo [model [seconds]]
//
// It asks Google's endpoint; GENAI_GRPC_ENDPOINT=http://127.0.0.1:50051 makes it ask a local server. Each call has its
// own deadline, 30 seconds from its start unless told otherwise.
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

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint) {
  const std::string plaintext = "http://";
  if (endpoint.rfind(plaintext, 0) == 0) {
    return grpc::CreateChannel(endpoint.substr(plaintext.size()), grpc::InsecureChannelCredentials());
  }
  return grpc::CreateChannel(endpoint, grpc::SslCredentials({}));
}

std::string Text(const genai::GenerateContentResponse& response) {
  std::string words;
  if (response.candidates_size() > 0) {
    for (const auto& part : response.candidates(0).content().parts()) words += part.text();
  }
  return words;
}

void Say(genai::GenerateContentRequest& request, const std::string& words) {
  genai::Content* turn = request.add_contents();
  turn->set_role("user");
  turn->add_parts()->set_text(words);
}

class Demo {
 public:
  Demo(const std::shared_ptr<grpc::Channel>& channel, std::string model, std::chrono::duration<double> timeout)
      : stub_(genai::GenerativeService::NewStub(channel)), model_(std::move(model)), timeout_(timeout) {}

  grpc::Status Generate() {
    genai::GenerateContentRequest request = Request();
    Say(request, "Why is the sky blue?");
    return Answer(request, nullptr);
  }

  grpc::Status Stream() {
    genai::GenerateContentRequest request = Request();
    Say(request, "Tell me a story about a backpack.");
    grpc::ClientContext context;
    Prepare(context);
    auto chunks = stub_->StreamGenerateContent(&context, request);
    for (genai::GenerateContentResponse chunk; chunks->Read(&chunk);) std::cout << Text(chunk) << std::flush;
    std::cout << std::endl;
    return chunks->Finish();
  }

  // The whole conversation is sent each time: the service keeps nothing of it.
  grpc::Status Chat() {
    genai::GenerateContentRequest request = Request();
    for (const char* message : {"My name is Ada.", "What is my name?"}) {
      Say(request, message);
      genai::GenerateContentResponse response;
      if (grpc::Status status = Answer(request, &response); !status.ok()) return status;
      if (response.candidates_size() > 0) *request.add_contents() = response.candidates(0).content();
    }
    return grpc::Status::OK;
  }

 private:
  genai::GenerateContentRequest Request() const {
    genai::GenerateContentRequest request;
    request.set_model(model_);
    return request;
  }

  void Prepare(grpc::ClientContext& context) const {
    context.AddMetadata("x-goog-api-key", Environment("GEMINI_API_KEY", ""));
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout_));
  }

  grpc::Status Answer(const genai::GenerateContentRequest& request, genai::GenerateContentResponse* kept) const {
    grpc::ClientContext context;
    Prepare(context);
    genai::GenerateContentResponse response;
    grpc::Status status = stub_->GenerateContent(&context, request, &response);
    if (status.ok()) std::cout << Text(response) << std::endl;
    if (kept != nullptr) *kept = std::move(response);
    return status;
  }

  std::unique_ptr<genai::GenerativeService::Stub> stub_;
  std::string model_;
  std::chrono::duration<double> timeout_;
};

// Prints a call's status and the details that came with it.
void Explain(const grpc::Status& failed) {
  std::cerr << "status " << failed.error_code() << ": " << failed.error_message() << '\n';
  google::rpc::Status status;
  if (!status.ParseFromString(failed.error_details())) return;
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
  const std::string model = argc > 1 ? argv[1] : "models/gemini-2.5-flash";
  const std::chrono::duration<double> timeout(argc > 2 ? std::stod(argv[2]) : 30.0);
  Demo demo(Connect(Environment("GENAI_GRPC_ENDPOINT", "generativelanguage.googleapis.com")), model, timeout);
  for (auto step : {&Demo::Generate, &Demo::Stream, &Demo::Chat}) {
    if (grpc::Status status = (demo.*step)(); !status.ok()) {
      Explain(status);
      return 1;
    }
  }
}
