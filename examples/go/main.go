// Demo generates, streams and chats with the Gemini API over gRPC, using only the compiled protos.
//
//	GEMINI_API_KEY=... demo [model [seconds]]
//
// It calls Google's endpoint, or the server that GENAI_GRPC_ENDPOINT names, e.g. http://127.0.0.1:50051. Each call has
// its own deadline, by default 120 seconds after its start.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/local"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "genai-grpc.internal/go/v1beta/generativelanguagepb"
)

// maxOutputTokens ends a reply that gets long, as those of a small model may.
const maxOutputTokens = 100

type demo struct {
	client  pb.GenerativeServiceClient
	model   string
	timeout time.Duration
}

func main() {
	log.SetFlags(0)
	model, seconds := "models/gemini-flash-latest", 120.0
	if len(os.Args) > 1 {
		model = os.Args[1]
	}
	if len(os.Args) > 2 {
		var err error
		if seconds, err = strconv.ParseFloat(os.Args[2], 64); err != nil {
			log.Fatal(err)
		}
	}
	connection, err := dial(os.Getenv("GENAI_GRPC_ENDPOINT"))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-goog-api-key", os.Getenv("GEMINI_API_KEY"))
	d := demo{pb.NewGenerativeServiceClient(connection), model, time.Duration(seconds * float64(time.Second))}
	for _, step := range []func(context.Context) error{d.generate, d.stream, d.chat} {
		if err := step(ctx); err != nil {
			log.Fatal(explain(err))
		}
	}
}

// dial connects over TLS, or in plaintext to a local server only, so that the key is never sent unencrypted.
func dial(endpoint string) (*grpc.ClientConn, error) {
	if target := strings.TrimPrefix(endpoint, "http://"); target != endpoint {
		return grpc.Dial(target, grpc.WithTransportCredentials(local.NewCredentials()))
	}
	tls := grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(nil, ""))
	return grpc.Dial("generativelanguage.googleapis.com:443", tls)
}

func (d demo) generate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	response, err := d.client.GenerateContent(ctx, d.request(userTurn("Name three fruits.")))
	if err != nil {
		return err
	}
	fmt.Println(text(response))
	return nil
}

func (d demo) stream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	chunks, err := d.client.StreamGenerateContent(ctx, d.request(userTurn("Describe a sunrise in one sentence.")))
	if err != nil {
		return err
	}
	for {
		chunk, err := chunks.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Println()
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Print(text(chunk))
	}
}

// chat sends the whole conversation with each request, since the service does not store it.
func (d demo) chat(ctx context.Context) error {
	var turns []*pb.Content
	for _, message := range []string{"My name is Ada.", "What is my name?"} {
		turns = append(turns, userTurn(message))
		if err := d.sendTurns(ctx, &turns); err != nil {
			return err
		}
	}
	return nil
}

func (d demo) sendTurns(ctx context.Context, turns *[]*pb.Content) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	response, err := d.client.GenerateContent(ctx, d.request(*turns...))
	if err != nil {
		return err
	}
	if candidates := response.GetCandidates(); len(candidates) > 0 {
		*turns = append(*turns, candidates[0].GetContent())
	}
	fmt.Println(text(response))
	return nil
}

func (d demo) request(turns ...*pb.Content) *pb.GenerateContentRequest {
	limit := int32(maxOutputTokens)
	config := &pb.GenerationConfig{MaxOutputTokens: &limit}
	return &pb.GenerateContentRequest{Model: d.model, Contents: turns, GenerationConfig: config}
}

func userTurn(text string) *pb.Content {
	return &pb.Content{Role: "user", Parts: []*pb.Part{{Data: &pb.Part_Text{Text: text}}}}
}

func text(response *pb.GenerateContentResponse) string {
	var result strings.Builder
	if candidates := response.GetCandidates(); len(candidates) > 0 {
		for _, part := range candidates[0].GetContent().GetParts() {
			result.WriteString(part.GetText())
		}
	}
	return result.String()
}

// explain formats the status of a failed call with its details.
func explain(err error) string {
	callStatus := status.Convert(err)
	lines := []string{fmt.Sprintf("%v: %s", callStatus.Code(), callStatus.Message())}
	for _, detail := range callStatus.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			lines = append(lines, fmt.Sprintf("  google.rpc.ErrorInfo: %s %s %v", detail.Reason, detail.Domain, detail.Metadata))
		default:
			lines = append(lines, fmt.Sprintf("  %T: %v", detail, detail))
		}
	}
	return strings.Join(lines, "\n")
}
