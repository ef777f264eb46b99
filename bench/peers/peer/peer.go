// Package peer is what the programs have in common: flags, certificates, the line that says a server is ready, the end, and
// the closed loop of a client with its report.
package peer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

const tcpCongestion = 13 // TCP_CONGESTION in <linux/tcp.h>

// Options of every program. The verb is the first argument: serve, load or check.
type Options struct {
	Verb        string
	Address     string
	Certificate string
	Key         string
	Authority   string
	ServerName  string
	Congestion  string
	Mode        string
	Connections int
	Streams     int
	Bytes       int
	Seconds     float64
	Warmup      float64
}

// Parse reads the command line; more declares a program's own flags. A wrong one ends the program with 2.
func Parse(modes string, more func(*flag.FlagSet)) *Options {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: serve|load|check [flags]")
		os.Exit(2)
	}
	o := &Options{Verb: os.Args[1]}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.Address, "address", "127.0.0.1:0", "where to listen, or whom to call")
	flags.StringVar(&o.Certificate, "certificate", "", "serve: certificate, PEM")
	flags.StringVar(&o.Key, "key", "", "serve: its key, PEM")
	flags.StringVar(&o.Authority, "authority", "", "load, check: the certificate to trust, PEM")
	flags.StringVar(&o.ServerName, "server-name", "localhost", "load, check: name the certificate must carry")
	flags.StringVar(&o.Congestion, "congestion", "cubic", "congestion control of TCP; QUIC has only Reno")
	flags.StringVar(&o.Mode, "mode", "", modes)
	flags.IntVar(&o.Connections, "connections", 1, "load: connections")
	flags.IntVar(&o.Streams, "streams", 1, "load: requests at a time on each connection")
	flags.IntVar(&o.Bytes, "bytes", 1024, "load: size of a message")
	flags.Float64Var(&o.Seconds, "seconds", 10, "load: how long is measured")
	flags.Float64Var(&o.Warmup, "warmup", 1, "load: seconds before that")
	if more != nil {
		more(flags)
	}
	flags.Parse(os.Args[2:])
	if flags.NArg() > 0 || o.Connections < 1 || o.Streams < 1 || o.Bytes < 1 || o.Bytes > 1<<24 || o.Seconds <= 0 {
		fmt.Fprintln(os.Stderr, "wrong arguments")
		os.Exit(2)
	}
	return o
}

// Fail ends the program.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// ServerTLS is the server's side.
func (o *Options) ServerTLS(protocols ...string) *tls.Config {
	certificate, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
	if err != nil {
		Fail(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// ClientTLS trusts the one certificate.
func (o *Options) ClientTLS(protocols ...string) *tls.Config {
	pem, err := os.ReadFile(o.Authority)
	if err != nil {
		Fail(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		Fail(fmt.Errorf("%s holds no certificate", o.Authority))
	}
	return &tls.Config{RootCAs: pool, ServerName: o.ServerName, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// Control sets the congestion control of a TCP socket.
func (o *Options) Control(network, address string, connection syscall.RawConn) error {
	var result error
	err := connection.Control(func(descriptor uintptr) {
		result = syscall.SetsockoptString(int(descriptor), syscall.IPPROTO_TCP, tcpCongestion, o.Congestion)
	})
	if err != nil {
		return err
	}
	return result
}

// Dialer sets it on the client's side.
func (o *Options) Dialer() *net.Dialer { return &net.Dialer{Control: o.Control} }

// Ready prints the one line that says where the server listens.
func Ready(name string, address net.Addr, congestion string) {
	Print(map[string]interface{}{"peer": name, "address": address.String(), "pid": os.Getpid(), "congestion": congestion})
}

// Print writes one line of JSON to the standard output.
func Print(document interface{}) {
	line, err := json.Marshal(document)
	if err != nil {
		Fail(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

// UntilStopped returns at SIGTERM, SIGINT, or when the standard input closes: whoever started the program is gone then.
func UntilStopped() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop <- syscall.SIGTERM
	}()
	<-stop
}

// RunChecks asks in order, prints «ok NAME» or «failed NAME: why» for each, and ends the program: 0 when all is well.
func RunChecks(names []string, run func(name string) error) {
	failed := 0
	for _, name := range names {
		if err := run(name); err != nil {
			failed++
			fmt.Printf("failed %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

// Load runs a closed loop: connect is called once a connection and gives one function for each of its streams, which makes one
// request and waits for the answer. Prints the report. A failed request ends the program.
func (o *Options) Load(name string, connect func() ([]func() error, error)) {
	var requests []func() error
	setup := make([]int64, 0, o.Connections)
	for i := 0; i < o.Connections; i++ {
		begin := time.Now()
		some, err := connect()
		if err != nil {
			Fail(err)
		}
		setup = append(setup, time.Since(begin).Nanoseconds())
		requests = append(requests, some...)
	}

	var ended sync.WaitGroup
	all := make([][]int64, len(requests))
	begin := time.Now()
	measured := begin.Add(time.Duration(o.Warmup * float64(time.Second)))
	end := measured.Add(time.Duration(o.Seconds * float64(time.Second)))
	var before, after syscall.Rusage
	for i := range requests {
		ended.Add(1)
		go func(i int) {
			defer ended.Done()
			var took []int64
			for {
				sent := time.Now()
				if sent.After(end) {
					break
				}
				if err := requests[i](); err != nil {
					Fail(err)
				}
				if sent.After(measured) {
					took = append(took, time.Since(sent).Nanoseconds())
				}
			}
			all[i] = took
		}(i)
	}
	time.Sleep(time.Until(measured))
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	ended.Wait()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)

	var took []int64
	for _, some := range all {
		took = append(took, some...)
	}
	report := map[string]interface{}{
		"peer": name, "mode": o.Mode, "connections": o.Connections, "streams": o.Streams, "bytes": o.Bytes, "seconds": o.Seconds,
		"requests": len(took), "requestsPerSecond": float64(len(took)) / o.Seconds,
		"clientCpuNs": cpu(&after) - cpu(&before),
	}
	describe(report, "", took)
	describe(report, "setup", setup)
	Print(report)
}

func cpu(usage *syscall.Rusage) int64 { return usage.Utime.Nano() + usage.Stime.Nano() }

func describe(report map[string]interface{}, prefix string, values []int64) {
	if len(values) == 0 {
		return
	}
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	var sum float64
	for _, value := range values {
		sum += float64(value)
	}
	key := func(name string) string {
		if prefix == "" {
			return name
		}
		return prefix + string(name[0]-'a'+'A') + name[1:]
	}
	report[key("meanNs")] = int64(sum / float64(len(values)))
	for name, quantile := range map[string]float64{"p50Ns": .5, "p90Ns": .9, "p99Ns": .99, "p999Ns": .999, "maxNs": 1} {
		report[key(name)] = values[int(quantile*float64(len(values)-1)+.5)]
	}
}
