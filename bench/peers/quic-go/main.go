// quic-go echoes: a request is a bidirectional stream read to its end and written back (mode requests), or a message on one long
// stream (mode stream); datagrams come back as they are.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"time"

	quic "github.com/lucas-clemente/quic-go"
	"vitrine.local/peers/peer"
)

const (
	name = "quic-go"
	// quic-go 0.29 has Reno only.
	congestion      = "reno"
	requestBytesMax = 64 << 20
	patience        = 20 * time.Second
)

func main() {
	var alpn, resetKey string
	o := peer.Parse("requests (a stream each) or stream (all on one)", func(flags *flag.FlagSet) {
		flags.StringVar(&alpn, "alpn", "vitrine-echo", "application protocol")
		flags.StringVar(&resetKey, "reset-key", "", "serve: what stateless resets are made of; a server with the same tells the clients of the one before")
	})
	if o.Mode == "" {
		o.Mode = "requests"
	}
	switch o.Verb {
	case "serve":
		serve(o, alpn, resetKey)
	case "load":
		o.Load(name, func() ([]func() error, error) { return connect(o, alpn) })
	case "check":
		check(o, alpn)
	default:
		peer.Fail(errors.New("serve, load or check"))
	}
}

func config() *quic.Config {
	return &quic.Config{Versions: []quic.VersionNumber{quic.Version1}, MaxIncomingStreams: 1 << 16, EnableDatagrams: true, HandshakeIdleTimeout: patience}
}

func serve(o *peer.Options, alpn, resetKey string) {
	settings := config()
	settings.RequireAddressValidation = func(net.Addr) bool { return false } // no Retry: one round trip, as its default
	settings.StatelessResetKey = []byte(resetKey)
	listener, err := quic.ListenAddrEarly(o.Address, o.ServerTLS(alpn), settings)
	if err != nil {
		peer.Fail(err)
	}
	peer.Ready(name, listener.Addr(), congestion)
	go func() {
		for {
			connection, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			go serveDatagrams(connection)
			go serveStreams(connection, o.Mode == "stream")
		}
	}()
	peer.UntilStopped()
	listener.Close()
}

func serveStreams(connection quic.Connection, isIncremental bool) {
	for {
		stream, err := connection.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			var err error
			if isIncremental {
				_, err = io.Copy(stream, stream)
			} else {
				var request []byte
				request, err = io.ReadAll(io.LimitReader(stream, requestBytesMax+1))
				if err == nil && len(request) > requestBytesMax {
					err = errors.New("too long")
				}
				if err == nil {
					_, err = stream.Write(request)
				}
			}
			if err != nil {
				stream.CancelRead(1)
				stream.CancelWrite(1)
				return
			}
			stream.Close()
		}()
	}
}

func serveDatagrams(connection quic.Connection) {
	for {
		message, err := connection.ReceiveMessage()
		if err != nil || connection.SendMessage(message) != nil {
			return
		}
	}
}

func dial(o *peer.Options, alpn string) (quic.Connection, error) {
	return quic.DialAddr(o.Address, o.ClientTLS(alpn), config())
}

func connect(o *peer.Options, alpn string) ([]func() error, error) {
	connection, err := dial(o, alpn)
	if err != nil {
		return nil, err
	}
	request := make([]byte, o.Bytes)
	rand.Read(request)
	requests := make([]func() error, o.Streams)
	for i := range requests {
		answer := make([]byte, o.Bytes)
		if o.Mode == "stream" {
			stream, err := connection.OpenStreamSync(context.Background())
			if err != nil {
				return nil, err
			}
			requests[i] = func() error {
				if _, err := stream.Write(request); err != nil {
					return err
				}
				_, err := io.ReadFull(stream, answer)
				return err
			}
			continue
		}
		requests[i] = func() error {
			stream, err := connection.OpenStreamSync(context.Background())
			if err != nil {
				return err
			}
			if _, err = stream.Write(request); err != nil {
				return err
			}
			stream.Close()
			if _, err = io.ReadFull(stream, answer); err != nil {
				return err
			}
			if n, err := stream.Read(answer[:1]); n != 0 || err != io.EOF {
				return fmt.Errorf("%d bytes and %v behind the answer", n, err)
			}
			return nil
		}
	}
	return requests, nil
}

// tickets keeps the last session, and tells when it has come.
type tickets struct {
	tls.ClientSessionCache
	arrived chan bool
}

func (t *tickets) Put(key string, session *tls.ClientSessionState) {
	t.ClientSessionCache.Put(key, session)
	if session != nil {
		select {
		case t.arrived <- true:
		default:
		}
	}
}

func (t *tickets) wait() error {
	select {
	case <-t.arrived:
		return nil
	case <-time.After(patience):
		return errors.New("no session ticket came")
	}
}

func check(o *peer.Options, alpn string) {
	var connection quic.Connection
	random := rand.New(rand.NewSource(5))
	settings := o.ClientTLS(alpn)
	tickets := &tickets{ClientSessionCache: tls.NewLRUClientSessionCache(1), arrived: make(chan bool, 16)}
	settings.ClientSessionCache = tickets
	echoOn := func(connection quic.Connection, size int) error {
		request := make([]byte, size)
		random.Read(request)
		stream, err := connection.OpenStreamSync(context.Background())
		if err != nil {
			return err
		}
		stream.SetDeadline(time.Now().Add(3 * patience))
		written := make(chan error, 1)
		go func() {
			_, err := stream.Write(request)
			if err == nil {
				err = stream.Close()
			}
			written <- err
		}()
		answer, err := io.ReadAll(stream)
		if err != nil {
			return err
		}
		if err = <-written; err != nil {
			return err
		}
		if !bytes.Equal(request, answer) {
			return fmt.Errorf("%d bytes came back as %d others", len(request), len(answer))
		}
		return nil
	}
	echo := func(size int) error { return echoOn(connection, size) }
	peer.RunChecks([]string{"handshake", "request", "empty", "megabytes", "many", "datagram", "reset", "resumption", "early", "version",
		"refused-protocol", "untrusted", "close"}, func(name string) error {
		if connection == nil && name != "handshake" {
			return errors.New("no connection")
		}
		switch name {
		case "handshake":
			var err error
			connection, err = quic.DialAddr(o.Address, settings, config())
			if err != nil {
				return err
			}
			if state := connection.ConnectionState().TLS; state.NegotiatedProtocol != alpn || !state.HandshakeComplete {
				return fmt.Errorf("application protocol %q", state.NegotiatedProtocol)
			}
			return nil
		case "request":
			return echo(1024)
		case "empty":
			return echo(0)
		case "megabytes":
			return echo(16 << 20)
		case "many":
			// More than a peer allows at a time: credit must come back.
			results := make(chan error)
			const streams = 500
			for i := 0; i < streams; i++ {
				size := random.Intn(20_000)
				go func(seed int64) {
					request := make([]byte, size)
					rand.New(rand.NewSource(seed)).Read(request)
					stream, err := connection.OpenStreamSync(context.Background())
					if err == nil {
						stream.SetDeadline(time.Now().Add(patience))
						if _, err = stream.Write(request); err == nil {
							stream.Close()
							var answer []byte
							if answer, err = io.ReadAll(stream); err == nil && !bytes.Equal(request, answer) {
								err = errors.New("other bytes")
							}
						}
					}
					results <- err
				}(int64(i))
			}
			var failed error
			for i := 0; i < streams; i++ {
				if err := <-results; err != nil {
					failed = err
				}
			}
			return failed
		case "datagram":
			if !connection.ConnectionState().SupportsDatagrams {
				return errors.New("the peer takes none")
			}
			// Datagrams may be lost: one of a hundred must come back.
			answered := make(chan error, 1)
			go func() {
				answer, err := connection.ReceiveMessage()
				if err == nil && !bytes.Equal(answer, []byte("datagram")) {
					err = fmt.Errorf("%q came back", answer)
				}
				answered <- err
			}()
			for i := 0; i < 100; i++ {
				if err := connection.SendMessage([]byte("datagram")); err != nil {
					return err
				}
				select {
				case err := <-answered:
					return err
				case <-time.After(50 * time.Millisecond):
				}
			}
			return errors.New("none came back")
		case "reset":
			// A stream given up half way costs nobody else anything.
			stream, err := connection.OpenStreamSync(context.Background())
			if err != nil {
				return err
			}
			if _, err = stream.Write([]byte("half a request")); err != nil {
				return err
			}
			stream.CancelWrite(9)
			stream.CancelRead(9)
			return echo(1024)
		case "resumption":
			if err := tickets.wait(); err != nil {
				return err
			}
			resumed, err := quic.DialAddr(o.Address, settings, config())
			if err != nil {
				return err
			}
			defer resumed.CloseWithError(0, "")
			if !resumed.ConnectionState().TLS.DidResume {
				return errors.New("the session was not resumed")
			}
			if err := echoOn(resumed, 1); err != nil {
				return err
			}
			return tickets.wait() // for the next one
		case "early":
			early, err := quic.DialAddrEarly(o.Address, settings, config())
			if err != nil {
				return err
			}
			defer early.CloseWithError(0, "")
			stream, err := early.OpenStream()
			if err != nil {
				return err
			}
			stream.SetDeadline(time.Now().Add(patience))
			if _, err = stream.Write([]byte("early")); err != nil {
				return err
			}
			stream.Close()
			answer, err := io.ReadAll(stream)
			if err != nil {
				return err
			}
			if string(answer) != "early" || !early.ConnectionState().TLS.Used0RTT {
				return fmt.Errorf("%q, early data used: %v", answer, early.ConnectionState().TLS.Used0RTT)
			}
			return nil
		case "version":
			// Offers a draft first: the server must name what it speaks.
			older := config()
			older.Versions = []quic.VersionNumber{quic.VersionDraft29, quic.Version1}
			other, err := quic.DialAddr(o.Address, o.ClientTLS(alpn), older)
			if err != nil {
				return err
			}
			defer other.CloseWithError(0, "")
			return echoOn(other, 1024)
		case "refused-protocol":
			other, err := dial(o, "no-such-protocol")
			if err == nil {
				other.CloseWithError(0, "")
				return errors.New("a protocol that nobody offers was accepted")
			}
			var refusal *quic.TransportError
			if !errors.As(err, &refusal) || refusal.ErrorCode != 0x178 { // no_application_protocol, RFC 9001 8.1
				return fmt.Errorf("refused by %v", err)
			}
			return nil
		case "untrusted":
			// The other side learns why: bad_certificate or unknown_ca.
			trusting := o.ClientTLS(alpn)
			trusting.RootCAs = nil
			other, err := quic.DialAddr(o.Address, trusting, config())
			if err == nil {
				other.CloseWithError(0, "")
				return errors.New("an unknown certificate was accepted")
			}
			return echo(10) // the server goes on
		default:
			if err := connection.CloseWithError(7, "bye"); err != nil {
				return err
			}
			var closed *quic.ApplicationError
			if _, err := connection.OpenStream(); !errors.As(err, &closed) || closed.ErrorCode != 7 {
				return fmt.Errorf("closed with %v", err)
			}
			var err error
			if connection, err = dial(o, alpn); err != nil { // one closed connection is not the endpoint
				return err
			}
			defer connection.CloseWithError(0, "")
			return echo(1)
		}
	})
}
