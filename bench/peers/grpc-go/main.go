// grpc-go is vitrine.v1.Echo by grpc-go, with health and reflection: as a server, as a closed loop, and as a client that tries
// what a server must do.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/protoc-gen-go/descriptor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // the server answers in what it was asked in
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"vitrine.local/peers/echo"
	"vitrine.local/peers/peer"
)

const (
	name            = "grpc-go"
	service         = "vitrine.v1.Echo"
	messageBytesMax = 16 << 20
	patience        = 20 * time.Second
	repliesMax      = 1_000_000
	replyBytesMax   = 1 << 20
	delayMicrosMax  = 60_000_000
)

func main() {
	var token string
	var isPlain bool
	o := peer.Parse("unary (a call a request) or stream (one duplex call)", func(flags *flag.FlagSet) {
		flags.BoolVar(&isPlain, "plain", false, "without TLS")
		flags.StringVar(&token, "token", "", "load, check: sent as «authorization: Bearer TOKEN»")
	})
	if o.Mode == "" {
		o.Mode = "unary"
	}
	switch o.Verb {
	case "serve":
		serve(o, isPlain)
	case "load":
		o.Load(name, func() ([]func() error, error) { return connect(o, isPlain, token) })
	case "check":
		check(o, isPlain, token)
	default:
		peer.Fail(errors.New("serve, load or check"))
	}
}

// --- Server ---

func serve(o *peer.Options, isPlain bool) {
	listener, err := (&net.ListenConfig{Control: o.Control}).Listen(context.Background(), "tcp", o.Address)
	if err != nil {
		peer.Fail(err)
	}
	settings := []grpc.ServerOption{grpc.MaxRecvMsgSize(messageBytesMax)}
	if !isPlain {
		settings = append(settings, grpc.Creds(credentials.NewTLS(o.ServerTLS("h2"))))
	}
	server := grpc.NewServer(settings...)
	echo.RegisterEchoServer(server, echoServer{})
	states := health.NewServer()
	states.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, states)
	reflection.Register(server)
	peer.Ready(name, listener.Addr(), o.Congestion)
	go server.Serve(listener)
	peer.UntilStopped()
	server.Stop()
}

type echoServer struct{}

// Metadata that comes back, at the head or behind the answers.
func returned(ctx context.Context) (head, trailer metadata.MD) {
	head, trailer = metadata.MD{}, metadata.MD{}
	asked, _ := metadata.FromIncomingContext(ctx)
	for key, values := range asked {
		if strings.HasPrefix(key, "echo-trailer-") {
			trailer[key] = values
		} else if strings.HasPrefix(key, "echo-") {
			head[key] = values
		}
	}
	return head, trailer
}

func replies(request *echo.EchoRequest) uint64 {
	if request.ReplyCount == 0 {
		return 1
	}
	return uint64(request.ReplyCount)
}

func answer(ctx context.Context, request *echo.EchoRequest, count, sequence, requests uint64, send func(*echo.EchoReply) error) error {
	if request.ReplyCount > repliesMax || request.ReplyBytes > replyBytesMax || request.DelayMicros > delayMicrosMax {
		return status.Error(codes.InvalidArgument, "more than an echo gives")
	}
	reply := &echo.EchoReply{Payload: request.Payload, Requests: requests}
	if request.ReplyBytes != 0 {
		reply.Payload = make([]byte, request.ReplyBytes)
	}
	for i := uint64(0); i < count; i++ {
		if request.DelayMicros != 0 {
			select {
			case <-time.After(time.Duration(request.DelayMicros) * time.Microsecond):
			case <-ctx.Done():
				peer.Print(map[string]string{"call": "cancelled"})
				return status.FromContextError(ctx.Err()).Err()
			}
		}
		if failure := request.Failure; failure != nil {
			if failure.Code < 1 || failure.Code > 16 {
				return status.Errorf(codes.InvalidArgument, "%d is no status code to fail with", failure.Code)
			}
			state := status.New(codes.Code(failure.Code), failure.Message)
			if len(failure.Detail) > 0 {
				detailed, err := state.WithDetails(&echo.EchoReply{Payload: failure.Detail})
				if err != nil {
					return err
				}
				state = detailed
			}
			return state.Err()
		}
		reply.Sequence = sequence + i
		if err := send(reply); err != nil {
			return err
		}
	}
	return nil
}

func (echoServer) Unary(ctx context.Context, request *echo.EchoRequest) (*echo.EchoReply, error) {
	head, trailer := returned(ctx)
	if len(head) > 0 {
		grpc.SetHeader(ctx, head)
	}
	if len(trailer) > 0 {
		grpc.SetTrailer(ctx, trailer)
	}
	var result *echo.EchoReply
	err := answer(ctx, request, 1, 0, 1, func(reply *echo.EchoReply) error { result = reply; return nil })
	return result, err
}

func (echoServer) ServerStream(request *echo.EchoRequest, stream echo.Echo_ServerStreamServer) error {
	head, trailer := returned(stream.Context())
	stream.SetHeader(head)
	stream.SetTrailer(trailer)
	return answer(stream.Context(), request, replies(request), 0, 1, stream.Send)
}

func (echoServer) ClientStream(stream echo.Echo_ClientStreamServer) error {
	head, trailer := returned(stream.Context())
	stream.SetHeader(head)
	stream.SetTrailer(trailer)
	last, requests := &echo.EchoRequest{}, uint64(0)
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return answer(stream.Context(), last, 1, 0, requests, stream.SendAndClose)
		}
		if err != nil {
			return err
		}
		last = request
		requests++
		if request.Failure != nil {
			return answer(stream.Context(), request, 1, 0, requests, nil)
		}
	}
}

func (echoServer) Duplex(stream echo.Echo_DuplexServer) error {
	head, trailer := returned(stream.Context())
	stream.SetHeader(head)
	stream.SetTrailer(trailer)
	var sequence, requests uint64
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if code := status.Code(err); code == codes.Canceled || code == codes.DeadlineExceeded {
				peer.Print(map[string]string{"call": "cancelled"})
			}
			return err
		}
		requests++
		if err := answer(stream.Context(), request, replies(request), sequence, requests, stream.Send); err != nil {
			return err
		}
		sequence += replies(request)
	}
}

// --- Client ---

func dial(o *peer.Options, isPlain bool) (*grpc.ClientConn, error) {
	security := grpc.WithInsecure()
	if !isPlain {
		security = grpc.WithTransportCredentials(credentials.NewTLS(o.ClientTLS("h2")))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return grpc.DialContext(ctx, o.Address, grpc.WithBlock(), grpc.FailOnNonTempDialError(true), security,
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return o.Dialer().DialContext(ctx, "tcp", address)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)))
}

func authorized(token string) context.Context {
	if token == "" {
		return context.Background()
	}
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}

func connect(o *peer.Options, isPlain bool, token string) ([]func() error, error) {
	connection, err := dial(o, isPlain)
	if err != nil {
		return nil, err
	}
	client := echo.NewEchoClient(connection)
	ctx := authorized(token)
	request := &echo.EchoRequest{Payload: make([]byte, o.Bytes)}
	rand.Read(request.Payload)
	same := func(reply *echo.EchoReply, err error) error {
		if err == nil && len(reply.Payload) != o.Bytes {
			err = fmt.Errorf("%d bytes came back", len(reply.Payload))
		}
		return err
	}
	requests := make([]func() error, o.Streams)
	for i := range requests {
		if o.Mode == "stream" {
			stream, err := client.Duplex(ctx)
			if err != nil {
				return nil, err
			}
			requests[i] = func() error {
				if err := stream.Send(request); err != nil {
					return err
				}
				return same(stream.Recv())
			}
		} else {
			requests[i] = func() error { return same(client.Unary(ctx, request)) }
		}
	}
	return requests, nil
}

func check(o *peer.Options, isPlain bool, token string) {
	connection, err := dial(o, isPlain)
	if err != nil {
		peer.Fail(err)
	}
	client := echo.NewEchoClient(connection)
	base := authorized(token)
	payload := make([]byte, 1024)
	rand.New(rand.NewSource(5)).Read(payload)
	code := func(err error, want codes.Code) error {
		if got := status.Code(err); got != want {
			return fmt.Errorf("%v instead of %v: %v", got, want, err)
		}
		return nil
	}
	same := func(reply *echo.EchoReply, payload []byte, sequence, requests uint64) error {
		if !bytes.Equal(reply.Payload, payload) || reply.Sequence != sequence || reply.Requests != requests {
			return fmt.Errorf("%d bytes, sequence %d, requests %d", len(reply.Payload), reply.Sequence, reply.Requests)
		}
		return nil
	}
	checks := []string{"unary", "empty", "megabyte", "server-stream", "client-stream", "duplex", "deadline", "deadline-stream", "cancel",
		"error", "error-details", "error-text", "error-after-answers", "metadata", "gzip", "unknown-method", "too-large", "many", "health", "health-unknown", "health-watch",
		"reflection"}
	peer.RunChecks(checks, func(name string) error {
		ctx, cancel := context.WithTimeout(base, patience)
		defer cancel()
		switch name {
		case "unary":
			reply, err := client.Unary(ctx, &echo.EchoRequest{Payload: payload})
			if err != nil {
				return err
			}
			return same(reply, payload, 0, 1)
		case "empty":
			reply, err := client.Unary(ctx, &echo.EchoRequest{})
			if err != nil {
				return err
			}
			return same(reply, nil, 0, 1)
		case "megabyte":
			reply, err := client.Unary(ctx, &echo.EchoRequest{ReplyBytes: replyBytesMax})
			if err != nil {
				return err
			}
			return same(reply, make([]byte, replyBytesMax), 0, 1)
		case "server-stream":
			stream, err := client.ServerStream(ctx, &echo.EchoRequest{Payload: payload, ReplyCount: 1000})
			if err != nil {
				return err
			}
			for i := uint64(0); ; i++ {
				reply, err := stream.Recv()
				if err == io.EOF && i == 1000 {
					return nil
				}
				if err != nil {
					return fmt.Errorf("after %d: %v", i, err)
				}
				if err = same(reply, payload, i, 1); err != nil {
					return err
				}
			}
		case "client-stream":
			stream, err := client.ClientStream(ctx)
			if err != nil {
				return err
			}
			for i := 0; i < 1000; i++ {
				if err := stream.Send(&echo.EchoRequest{Payload: []byte{byte(i)}}); err != nil {
					return err
				}
			}
			reply, err := stream.CloseAndRecv()
			if err != nil {
				return err
			}
			return same(reply, []byte{999 & 255}, 0, 1000)
		case "duplex":
			stream, err := client.Duplex(ctx)
			if err != nil {
				return err
			}
			for i := uint64(0); i < 100; i++ {
				if err := stream.Send(&echo.EchoRequest{Payload: []byte{byte(i)}, ReplyCount: 2}); err != nil {
					return err
				}
				for j := uint64(0); j < 2; j++ {
					reply, err := stream.Recv()
					if err != nil {
						return err
					}
					if err = same(reply, []byte{byte(i)}, 2*i+j, i+1); err != nil {
						return err
					}
				}
			}
			stream.CloseSend()
			if _, err = stream.Recv(); err != io.EOF {
				return fmt.Errorf("ended with %v", err)
			}
			return nil
		case "deadline":
			short, cancel := context.WithTimeout(base, 300*time.Millisecond)
			defer cancel()
			_, err := client.Unary(short, &echo.EchoRequest{DelayMicros: 10_000_000})
			return code(err, codes.DeadlineExceeded)
		case "deadline-stream":
			short, cancel := context.WithTimeout(base, 300*time.Millisecond)
			defer cancel()
			stream, err := client.ServerStream(short, &echo.EchoRequest{DelayMicros: 100_000, ReplyCount: 1000})
			for err == nil {
				_, err = stream.Recv()
			}
			return code(err, codes.DeadlineExceeded)
		case "cancel":
			stopped, stop := context.WithCancel(ctx)
			stream, err := client.ServerStream(stopped, &echo.EchoRequest{Payload: payload, ReplyCount: repliesMax})
			for i := 0; err == nil; i++ {
				if i == 10 {
					stop()
				}
				_, err = stream.Recv()
			}
			stop()
			if err := code(err, codes.Canceled); err != nil {
				return err
			}
			_, err = client.Unary(ctx, &echo.EchoRequest{}) // the connection goes on
			return err
		case "error":
			for wanted := codes.Canceled; wanted <= codes.Unauthenticated; wanted++ {
				_, err := client.Unary(ctx, &echo.EchoRequest{Failure: &echo.EchoFailure{Code: int32(wanted), Message: "as asked"}})
				if err := code(err, wanted); err != nil {
					return err
				}
				if got := status.Convert(err).Message(); got != "as asked" {
					return fmt.Errorf("%v said %q", wanted, got)
				}
			}
			return nil
		case "error-details":
			_, err := client.Unary(ctx, &echo.EchoRequest{Failure: &echo.EchoFailure{Code: int32(codes.FailedPrecondition), Message: "why", Detail: payload}})
			if err := code(err, codes.FailedPrecondition); err != nil {
				return err
			}
			details := status.Convert(err).Details()
			if len(details) != 1 {
				return fmt.Errorf("%d details", len(details))
			}
			detail, ok := details[0].(*echo.EchoReply)
			if !ok || !bytes.Equal(detail.Payload, payload) {
				return fmt.Errorf("another detail: %v", details[0])
			}
			return nil
		case "error-text":
			const text = "100 % «Größe» – 価格\n\tzwei"
			_, err := client.Unary(ctx, &echo.EchoRequest{Failure: &echo.EchoFailure{Code: int32(codes.Aborted), Message: text}})
			if got := status.Convert(err).Message(); got != text {
				return fmt.Errorf("%q", got)
			}
			return nil
		case "error-after-answers":
			stream, err := client.Duplex(ctx)
			if err != nil {
				return err
			}
			stream.Send(&echo.EchoRequest{Payload: payload})
			stream.Send(&echo.EchoRequest{Failure: &echo.EchoFailure{Code: int32(codes.DataLoss)}})
			if _, err = stream.Recv(); err != nil {
				return err
			}
			_, err = stream.Recv()
			return code(err, codes.DataLoss)
		case "metadata":
			binary := string([]byte{0, 1, 254, 255, 10})
			asked := metadata.AppendToOutgoingContext(ctx, "echo-text", "head", "echo-two", "1", "echo-two", "2", "echo-bytes-bin", binary,
				"echo-trailer-text", "tail", "echo-trailer-bytes-bin", binary)
			var head, trailer metadata.MD
			if _, err := client.Unary(asked, &echo.EchoRequest{}, grpc.Header(&head), grpc.Trailer(&trailer)); err != nil {
				return err
			}
			for _, expected := range []struct {
				in   metadata.MD
				key  string
				want string
			}{
				{head, "echo-text", "head"}, {head, "echo-two", "1|2"}, {head, "echo-bytes-bin", binary},
				{trailer, "echo-trailer-text", "tail"}, {trailer, "echo-trailer-bytes-bin", binary},
			} {
				if got := strings.Join(expected.in.Get(expected.key), "|"); got != expected.want {
					return fmt.Errorf("%s is %q", expected.key, got)
				}
			}
			return nil
		case "gzip":
			text := bytes.Repeat([]byte("pressed "), 50_000)
			reply, err := client.Unary(ctx, &echo.EchoRequest{Payload: text}, grpc.UseCompressor("gzip"))
			if err != nil {
				return err
			}
			return same(reply, text, 0, 1)
		case "unknown-method":
			return code(connection.Invoke(ctx, "/"+service+"/NoSuchMethod", &echo.EchoRequest{}, &echo.EchoReply{}), codes.Unimplemented)
		case "too-large":
			_, err := client.Unary(ctx, &echo.EchoRequest{Payload: make([]byte, messageBytesMax+1)}, grpc.MaxCallSendMsgSize(1<<30))
			if err := code(err, codes.ResourceExhausted); err != nil {
				return err
			}
			_, err = client.Unary(ctx, &echo.EchoRequest{})
			return err
		case "many":
			results := make(chan error)
			for i := 0; i < 500; i++ {
				go func() {
					reply, err := client.Unary(ctx, &echo.EchoRequest{Payload: payload, DelayMicros: 1000})
					if err == nil {
						err = same(reply, payload, 0, 1)
					}
					results <- err
				}()
			}
			var failed error
			for i := 0; i < 500; i++ {
				if err := <-results; err != nil {
					failed = err
				}
			}
			return failed
		case "health", "health-unknown":
			asked := map[string]string{"health": service, "health-unknown": "no.such.Service"}[name]
			reply, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: asked})
			if name == "health-unknown" {
				return code(err, codes.NotFound)
			}
			if err != nil {
				return err
			}
			if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
				return errors.New(reply.Status.String())
			}
			return nil
		case "health-watch":
			stream, err := grpc_health_v1.NewHealthClient(connection).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
			if err != nil {
				return err
			}
			reply, err := stream.Recv()
			if err != nil {
				return err
			}
			if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
				return errors.New(reply.Status.String())
			}
			return nil
		default:
			return checkReflection(ctx, connection)
		}
	})
}

func checkReflection(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := grpc_reflection_v1alpha.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	ask := func(request *grpc_reflection_v1alpha.ServerReflectionRequest) (*grpc_reflection_v1alpha.ServerReflectionResponse, error) {
		if err := stream.Send(request); err != nil {
			return nil, err
		}
		return stream.Recv()
	}
	reply, err := ask(&grpc_reflection_v1alpha.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return err
	}
	found := false
	for _, one := range reply.GetListServicesResponse().GetService() {
		found = found || one.Name == service
	}
	if !found {
		return fmt.Errorf("%s is not listed: %v", service, reply)
	}
	reply, err = ask(&grpc_reflection_v1alpha.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}})
	if err != nil {
		return err
	}
	files := reply.GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(files) == 0 {
		return fmt.Errorf("no file for %s: %v", service, reply)
	}
	var file descriptor.FileDescriptorProto
	if err := proto.Unmarshal(files[0], &file); err != nil {
		return err
	}
	if file.GetPackage() != "vitrine.v1" || len(file.Service) != 1 || len(file.Service[0].Method) != 4 {
		return fmt.Errorf("another file: %s", file.GetName())
	}
	reply, err = ask(&grpc_reflection_v1alpha.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "no.such.Symbol"}})
	if err != nil {
		return err
	}
	if got := codes.Code(reply.GetErrorResponse().GetErrorCode()); got != codes.NotFound {
		return fmt.Errorf("an unknown symbol gives %v", got)
	}
	return nil
}
