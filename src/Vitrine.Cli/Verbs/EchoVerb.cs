using System.CommandLine;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Events.Kafka;
using Vitrine.Lab.Events;
using Vitrine.Lab.Transport;

namespace Vitrine.Cli.Verbs;

/// <summary>What laboratories run in processes of their own: the two ends of the transport laboratory, also for machines that are not this one, and what the
/// crash series kills.</summary>
internal sealed class EchoVerb : Verb
{
    private readonly Terminal _terminal;
    private readonly Argument<string> _role = new Argument<string>("role") { HelpName = "serve|load|stream|attack|handshakes|watch|events-keep|events-follow|events-fleet|kafka-mock", Description = "serve: answer echoes over every transport; load: make them as standard input says; stream: keep streams of them flowing, likewise; attack: misuse a server of this machine, likewise; handshakes: begin connections, likewise; watch: note what a shared screen shows, likewise; events-keep, events-follow: keep events, and read them, until they are killed; events-fleet: be some hosts that keep events; kafka-mock: be librdkafka's cluster for tests, as standard input says" }.AcceptOnlyFromAmong("serve", "load", "stream", "attack", "handshakes", "watch", "events-keep", "events-follow", "events-fleet", "kafka-mock");
    private readonly Option<string> _listen = new("--listen") { HelpName = "ADDRESS", Description = "serve: address to listen at", DefaultValueFactory = _ => "127.0.0.1" };
    private readonly Option<int> _port = new("--port") { HelpName = "NUMBER", Description = "serve: port of TCP and UDP, and the five after it of UDP; 0: any" };
    private readonly Option<int> _quicThreads = new("--quic-threads") { HelpName = "NUMBER", Description = "serve: threads that speak QUIC, for each of its ports (default: 1)", DefaultValueFactory = _ => 1 };
    private readonly Option<string> _certificate = new("--cert") { HelpName = "FILE", Description = "serve: certificate, PEM", Required = false };
    private readonly Option<string> _key = new("--key") { HelpName = "FILE", Description = "serve: its key, PEM" };

    public EchoVerb(Terminal terminal)
        : base(
            "echo",
            "Answers or makes echoes for the transport laboratory, which starts both by itself on this machine.",
            ("vitrine echo serve --cert cert.pem --key key.pem", "answer on loopback; prints where, as a line of JSON; ends with its standard input"))
    {
        _terminal = terminal;
        Hidden = true;
        Arguments.Add(_role);
        foreach (Option option in (Option[])[_listen, _port, _quicThreads, _certificate, _key])
        {
            Options.Add(option);
        }

        SetAction((parsed, _) => RunAsync(parsed));
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        using StopSignal stop = new();
        Func<TextReader, TextWriter, CancellationToken, Task>? agent = parsed.GetValue(_role) switch
        {
            "load" => LoadAgent.RunAsync,
            "stream" => StreamAgent.RunAsync,
            "attack" => AttackAgent.RunAsync,
            "handshakes" => HandshakeAgent.RunAsync,
            "events-keep" => CrashAgent.KeepAsync,
            "events-follow" => CrashAgent.FollowAsync,
            "events-fleet" => FleetAgent.RunAsync,
            "kafka-mock" => MockKafkaCluster.ServeAsync,
            "watch" => (input, output, token) => LiveAgent.RunAsync(input, output, _terminal.Error, token),
            _ => null,
        };
        if (agent is not null)
        {
            try
            {
                await agent(Console.In, _terminal.Output, stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
            {
                return ExitCode.Failed;
            }

            return ExitCode.Done;
        }

        if (parsed.GetValue(_certificate) is not { } path || !IPAddress.TryParse(parsed.GetValue(_listen), out IPAddress? address))
        {
            return _terminal.Fail(ExitCode.Usage, "To serve takes an address and a certificate.", "--listen ADDRESS --cert FILE --key FILE");
        }

        int port = parsed.GetValue(_port);
        if (port is < 0 or > IPEndPoint.MaxPort - EchoServer.Ports + 1)
        {
            return _terminal.Fail(ExitCode.Usage, $"--port {port} cannot be used.", $"A number from 1 to {IPEndPoint.MaxPort - EchoServer.Ports + 1}, for UDP with the {EchoServer.Ports - 1} after it; 0: any.");
        }

        int quicThreads = parsed.GetValue(_quicThreads);
        if (quicThreads is < 1 or > EchoServer.QuicThreadsMax)
        {
            return _terminal.Fail(ExitCode.Usage, $"--quic-threads {quicThreads} cannot be used.", $"A number from 1 to {EchoServer.QuicThreadsMax}.");
        }

        X509Certificate2 certificate;
        try
        {
            certificate = X509Certificate2.CreateFromPemFile(path, parsed.GetValue(_key));
        }
        catch (Exception unusable) when (unusable is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return _terminal.Fail(ExitCode.Usage, $"The certificate {path} cannot be used.", unusable.Message);
        }

        using (certificate)
        {
            try
            {
                await EchoServer.RunAsync(address, port, quicThreads, certificate, Console.In, _terminal.Output, stop.Token).ConfigureAwait(false);
            }
            catch (IOException failure) // the port is taken, or the address is not this machine's
            {
                return _terminal.Fail(ExitCode.Failed, "The echo server cannot listen.", failure.Message);
            }
        }

        return ExitCode.Done;
    }
}
