// go-http2 echoes over HTTP/2 with net/http: bytes at /echo, and the JSON of vitrine.v1.Echo's Unary at the path given.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"

	"vitrine.local/peers/peer"
)

const (
	name            = "go-http2"
	requestBytesMax = 64 << 20
)

// The JSON mapping of Protobuf: bytes in base64, 64-bit numbers as strings.
type echoRequest struct {
	Payload []byte `json:"payload,omitempty"`
}

type echoReply struct {
	Payload  []byte `json:"payload,omitempty"`
	Sequence string `json:"sequence,omitempty"`
	Requests string `json:"requests,omitempty"`
}

func main() {
	var path string
	o := peer.Parse("bytes or json", func(flags *flag.FlagSet) {
		flags.StringVar(&path, "path", "", "path of the echo; /echo, and /api/v1/echo/unary for json")
	})
	if o.Mode == "" {
		o.Mode = "bytes"
	}
	if o.Mode != "bytes" && o.Mode != "json" {
		peer.Fail(errors.New("mode is bytes or json"))
	}
	if path == "" {
		path = map[string]string{"bytes": "/echo", "json": "/api/v1/echo/unary"}[o.Mode]
	}
	switch o.Verb {
	case "serve":
		serve(o, path)
	case "load":
		o.Load(name, func() ([]func() error, error) { return connect(o, path) })
	case "check":
		check(o, path)
	default:
		peer.Fail(errors.New("serve, load or check"))
	}
}

func serve(o *peer.Options, path string) {
	listener, err := (&net.ListenConfig{Control: o.Control}).Listen(context.Background(), "tcp", o.Address)
	if err != nil {
		peer.Fail(err)
	}
	handlers := http.NewServeMux()
	if o.Mode == "bytes" {
		handlers.HandleFunc(path, func(response http.ResponseWriter, request *http.Request) {
			payload, err := io.ReadAll(http.MaxBytesReader(response, request.Body, requestBytesMax))
			if err != nil {
				http.Error(response, err.Error(), http.StatusBadRequest)
				return
			}
			response.Header().Set("Content-Type", "application/octet-stream")
			response.Write(payload)
		})
	} else {
		handlers.HandleFunc(path, func(response http.ResponseWriter, request *http.Request) {
			var message echoRequest
			if err := json.NewDecoder(http.MaxBytesReader(response, request.Body, requestBytesMax)).Decode(&message); err != nil {
				http.Error(response, err.Error(), http.StatusBadRequest)
				return
			}
			response.Header().Set("Content-Type", "application/json")
			json.NewEncoder(response).Encode(echoReply{Payload: message.Payload, Requests: "1"})
		})
	}
	server := &http.Server{Handler: handlers, TLSConfig: o.ServerTLS("h2", "http/1.1")}
	peer.Ready(name, listener.Addr(), o.Congestion)
	go server.ServeTLS(listener, "", "")
	peer.UntilStopped()
	server.Close()
}

// A client with one connection.
func client(o *peer.Options) *http.Client {
	return &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: o.ClientTLS("h2"), DialContext: o.Dialer().DialContext, MaxConnsPerHost: 1, DisableCompression: true,
	}}
}

func body(o *peer.Options, payload []byte) ([]byte, string) {
	if o.Mode == "bytes" {
		return payload, "application/octet-stream"
	}
	line, err := json.Marshal(echoRequest{Payload: payload})
	if err != nil {
		peer.Fail(err)
	}
	return line, "application/json"
}

func echo(o *peer.Options, http2 *http.Client, path string, request []byte, contentType string, answer *bytes.Buffer) error {
	response, err := http2.Post("https://"+o.Address+path, contentType, bytes.NewReader(request))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer.Reset()
	if _, err = answer.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %.200s", response.Proto, response.Status, answer.String())
	}
	return nil
}

func connect(o *peer.Options, path string) ([]func() error, error) {
	http2 := client(o)
	payload := make([]byte, o.Bytes)
	rand.Read(payload)
	request, contentType := body(o, payload)
	requests := make([]func() error, o.Streams)
	for i := range requests {
		var answer bytes.Buffer
		requests[i] = func() error {
			if err := echo(o, http2, path, request, contentType, &answer); err != nil {
				return err
			}
			if o.Mode == "json" {
				var reply echoReply
				if err := json.Unmarshal(answer.Bytes(), &reply); err != nil {
					return err
				}
				if len(reply.Payload) != len(payload) {
					return fmt.Errorf("%d bytes came back", len(reply.Payload))
				}
			} else if answer.Len() != len(payload) {
				return fmt.Errorf("%d bytes came back", answer.Len())
			}
			return nil
		}
	}
	return requests, requests[0]() // the connection is made by the first request
}

func check(o *peer.Options, path string) {
	http2 := client(o)
	random := rand.New(rand.NewSource(5))
	sizes := map[string]int{"request": 1024, "empty": 0, "megabytes": 2 << 20}
	peer.RunChecks([]string{"request", "empty", "megabytes", "not-found"}, func(name string) error {
		var answer bytes.Buffer
		if name == "not-found" {
			response, err := http2.Get("https://" + o.Address + "/no-such-path")
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusNotFound {
				return errors.New(response.Status)
			}
			return nil
		}
		payload := make([]byte, sizes[name])
		random.Read(payload)
		request, contentType := body(o, payload)
		if err := echo(o, http2, path, request, contentType, &answer); err != nil {
			return err
		}
		got := answer.Bytes()
		if o.Mode == "json" {
			var reply echoReply
			if err := json.Unmarshal(got, &reply); err != nil {
				return err
			}
			got = reply.Payload
		}
		if !bytes.Equal(got, payload) {
			return fmt.Errorf("%d bytes came back as %d others", len(payload), len(got))
		}
		return nil
	})
}
