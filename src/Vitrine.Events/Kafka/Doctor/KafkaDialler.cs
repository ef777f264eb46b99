using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>Comes to a broker as a client does, a stage after the other; what does not work is told by its cause, which is looked for where the
/// symptom alone does not say it.</summary>
internal sealed class KafkaDialler(KafkaOptions options, KafkaNetwork network, KafkaPatience patience, TimeProvider time) : IDisposable
{
    // What a log needs: transactions, and the messages that they are made of.
    private static readonly (KafkaApi Api, short Version)[] s_needed =
    [
        (KafkaApi.Metadata, 1), (KafkaApi.Produce, 3), (KafkaApi.Fetch, 4), (KafkaApi.InitProducerId, 0), (KafkaApi.AddPartitionsToTxn, 0), (KafkaApi.EndTxn, 0), (KafkaApi.TxnOffsetCommit, 0),
    ];

    private KafkaCertificates? _certificates;

    /// <summary>Reads the files that the settings name.</summary>
    /// <exception cref="FindingException">One cannot be used. So do all others end that find something.</exception>
    public void ReadCertificates() => _certificates = options.Tls is { } tls ? new(tls, time.GetUtcNow()) : null;

    /// <summary>Looks the name up.</summary>
    public async Task<IPAddress[]> ResolveAsync(KafkaAddress address, CancellationToken cancellationToken)
    {
        string why;
        try
        {
            IPAddress[] found = await WithinAsync(patience.Connect, late => network.ResolveAsync(address.Host, late), cancellationToken);
            if (found.Length > 0)
            {
                return found;
            }

            why = "no address";
        }
        catch (Exception exception) when (exception is SocketException or TimeoutException or ArgumentException)
        {
            why = exception.Message;
        }

        throw new FindingException(KafkaFindings.NameUnknown(address, why));
    }

    /// <summary>Connects to the first of the addresses that takes it.</summary>
    public async Task<KafkaChannel> ConnectAsync(KafkaAddress address, IPAddress[] found, CancellationToken cancellationToken)
    {
        ExaminationFinding? finding = null;
        foreach (IPAddress ip in found)
        {
            try
            {
                return new(address, ip, await WithinAsync(patience.Connect, late => network.ConnectAsync(ip, address.Port, late), cancellationToken));
            }
            catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
            {
                finding ??= KafkaFindings.PortClosed(address, $"{ip}: {refused.Message}");
            }
            catch (Exception exception) when (exception is SocketException or TimeoutException)
            {
                finding ??= KafkaFindings.PortSilent(address, patience.Connect, $"{ip}: {exception.Message}");
            }
        }

        throw new FindingException(finding!);
    }

    /// <summary>Agrees on TLS, and looks at the certificate.</summary>
    public async Task<string> SecureAsync(KafkaChannel channel, CancellationToken cancellationToken)
    {
        ExaminationFinding? refusal = null;
        bool isCertified = false;
        SslStream tls = new(channel.Stream);
        channel.Stream = tls;
        SslClientAuthenticationOptions how = _certificates!.For(
            channel.Address.Host,
            (_, certificate, chain, errors) =>
            {
                isCertified = certificate is not null;
                refusal = Judge(channel.Address, certificate as X509Certificate2, chain, errors);
                return refusal is null; // nothing is said to who is not known
            },
            () => channel.AsksForCertificate = true);
        string why;
        try
        {
            await WithinAsync(patience.Connect, async late =>
            {
                await tls.AuthenticateAsClientAsync(how, late);
                return true;
            }, cancellationToken);
            return $"{tls.SslProtocol}, {tls.NegotiatedCipherSuite}";
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or TimeoutException or CryptographicException)
        {
            why = (exception.InnerException ?? exception).Message;
        }

        if (refusal is null && isCertified)
        {
            refusal = CertificateOfOurs(channel, why);
        }

        throw new FindingException(refusal ?? await WithoutTlsAsync(channel, why, cancellationToken));
    }

    /// <summary>Asks what the broker can do.</summary>
    public async Task<KafkaLink> BeginAsync(KafkaChannel channel, CancellationToken cancellationToken)
    {
        KafkaLink link = new(channel.Stream, options.ClientId, patience.Answer);
        try
        {
            await link.AskVersionsAsync(cancellationToken);
        }
        catch (KafkaLinkException exception)
        {
            await link.DisposeAsync();
            throw new FindingException(await WhyNoVersionsAsync(channel, exception, cancellationToken));
        }

        string? lacking = s_needed.Where(need => !link.Offered.TryGetValue(need.Api, out (short Least, short Most) range) || range.Most < need.Version)
            .Select(need => $"{need.Api} in version {need.Version} is not offered").FirstOrDefault();
        if (lacking is null)
        {
            return link;
        }

        await link.DisposeAsync();
        throw new FindingException(
            link.Offered.ContainsKey(KafkaApi.Vote) && !link.Offered.ContainsKey(KafkaApi.Metadata) ? KafkaFindings.Controller(channel.Address, lacking) : KafkaFindings.TooOld(channel.Address, lacking));
    }

    /// <summary>Signs in, or finds that nobody need.</summary>
    public async Task<string> SignInAsync(KafkaLink link, KafkaChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            return options.Sasl is { } sasl ? await SignInAsync(link, channel, sasl, cancellationToken) : await NeedNotSignInAsync(link, channel, cancellationToken);
        }
        catch (Exception exception) when (exception is KafkaLinkException or KafkaProtocolException)
        {
            throw new FindingException(KafkaFindings.Unforeseen(channel.Address, exception.Message));
        }
    }

    /// <summary>All of it.</summary>
    public async Task<KafkaLink> OpenAsync(KafkaAddress address, IPAddress[] found, CancellationToken cancellationToken)
    {
        KafkaChannel channel = await ConnectAsync(address, found, cancellationToken);
        try
        {
            if (options.Tls is not null)
            {
                await SecureAsync(channel, cancellationToken);
            }

            KafkaLink link = await BeginAsync(channel, cancellationToken);
            await SignInAsync(link, channel, cancellationToken);
            return link;
        }
        catch
        {
            await channel.DisposeAsync();
            throw;
        }
    }

    public void Dispose() => _certificates?.Dispose();

    private static async Task<string> SignInAsync(KafkaLink link, KafkaChannel channel, KafkaSasl sasl, CancellationToken cancellationToken)
    {
        string mechanism = KafkaSasl.NameOf(sasl.Mechanism);
        if (!link.Offers(KafkaApi.SaslHandshake, 1, 1))
        {
            throw new FindingException(KafkaFindings.SignInNotWanted(channel.Address, "it does not offer SaslHandshake"));
        }

        (KafkaError error, IReadOnlyList<string> mechanisms) = await link.HandshakeAsync(mechanism, cancellationToken);
        if (error != KafkaError.None)
        {
            throw new FindingException(error switch
            {
                KafkaError.UnsupportedSaslMechanism => KafkaFindings.MechanismNotOffered(channel.Address, mechanism, mechanisms),
                KafkaError.IllegalSaslState => KafkaFindings.SignInNotWanted(channel.Address, KafkaLink.Text(error)),
                _ => KafkaFindings.Unforeseen(channel.Address, $"SaslHandshake: {KafkaLink.Text(error)}"),
            });
        }

        try
        {
            await (sasl.Mechanism == KafkaSaslMechanism.Plain ? SignInPlainAsync(link, sasl, cancellationToken) : SignInScramAsync(link, channel, sasl, cancellationToken));
        }
        catch (KafkaLinkException exception) when (exception.Failure == KafkaLinkFailure.Closed)
        {
            throw new FindingException(KafkaFindings.SignInRefused(sasl.User, mechanism, exception.Message));
        }

        string open = channel.IsTls || sasl.Mechanism != KafkaSaslMechanism.Plain ? "" : "; without TLS, so that whoever is on the way reads the password";
        return $"{sasl.User}, {mechanism}{open}";
    }

    private static async Task SignInPlainAsync(KafkaLink link, KafkaSasl sasl, CancellationToken cancellationToken)
    {
        (KafkaError error, string message, _) = await link.AuthenticateAsync(Encoding.UTF8.GetBytes($"\0{sasl.User}\0{sasl.Password}"), cancellationToken);
        if (error != KafkaError.None)
        {
            throw new FindingException(KafkaFindings.SignInRefused(sasl.User, KafkaSasl.NameOf(sasl.Mechanism), $"{KafkaLink.Text(error)}: {message}"));
        }
    }

    // Brokers refuse a user that they do not know at the first message, and a wrong password at the second.
    private static async Task SignInScramAsync(KafkaLink link, KafkaChannel channel, KafkaSasl sasl, CancellationToken cancellationToken)
    {
        HashAlgorithmName hash = sasl.Mechanism == KafkaSaslMechanism.ScramSha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512;
        ScramClient scram = new(hash, sasl.User, sasl.Password, ScramClient.NewNonce());
        (KafkaError error, string message, byte[] said) = await link.AuthenticateAsync(Encoding.UTF8.GetBytes(scram.First), cancellationToken);
        if (error != KafkaError.None)
        {
            throw new FindingException(KafkaFindings.UserUnknown(sasl.User, KafkaSasl.NameOf(sasl.Mechanism), $"{KafkaLink.Text(error)}, at the first message: {message}"));
        }

        string proof = scram.Prove(Encoding.UTF8.GetString(said));
        (error, message, said) = await link.AuthenticateAsync(Encoding.UTF8.GetBytes(proof), cancellationToken);
        if (error != KafkaError.None)
        {
            throw new FindingException(KafkaFindings.PasswordWrong(sasl.User, $"{KafkaLink.Text(error)}, at the second message: {message}"));
        }

        if (!scram.IsProved(Encoding.UTF8.GetString(said)))
        {
            throw new FindingException(KafkaFindings.NotGenuine(channel.Address, "its last message has another signature"));
        }
    }

    private static async Task<T> WithinAsync<T>(TimeSpan limit, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(limit);
        try
        {
            return await work(late.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"nothing came within {limit.TotalSeconds} s");
        }
    }

    private async Task<string> NeedNotSignInAsync(KafkaLink link, KafkaChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            await link.MetadataAsync([], cancellationToken);
            return "nobody does here";
        }
        catch (KafkaLinkException exception) when (exception.Failure == KafkaLinkFailure.Closed)
        {
            throw new FindingException(await WhyClosedAsync(channel, exception, cancellationToken));
        }
    }

    private ExaminationFinding? Judge(KafkaAddress address, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None || certificate is null || chain is null)
        {
            return errors == SslPolicyErrors.None ? null : KafkaFindings.TlsFailed(address, errors.ToString());
        }

        DateTime now = time.GetUtcNow().UtcDateTime;
        string evidence = string.Join("; ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()));
        X509Certificate2[] signers = [.. chain.ChainElements.Select(element => element.Certificate)];
        foreach (X509Certificate2 each in (X509Certificate2[])[certificate, .. signers])
        {
            if (each.NotAfter.ToUniversalTime() < now)
            {
                return KafkaFindings.CertificateExpired(address, each);
            }

            if (each.NotBefore.ToUniversalTime() > now)
            {
                return KafkaFindings.CertificateNotYetValid(address, each, time.GetUtcNow());
            }
        }

        if (chain.ChainStatus.Any(status => status.Status is X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain))
        {
            return KafkaFindings.AuthorityUnknown(address, (signers.LastOrDefault() ?? certificate).Issuer, options.Tls?.AuthoritiesFile, evidence);
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            string[] names = [.. certificate.Extensions.Where(extension => extension.Oid?.Value == "2.5.29.17").SelectMany(Names)];
            return KafkaFindings.CertificateName(address, names, certificate.Subject);
        }

        return KafkaFindings.TlsFailed(address, evidence);

        static IEnumerable<string> Names(X509Extension extension)
        {
            X509SubjectAlternativeNameExtension names = new(extension.RawData);
            return names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(ip => ip.ToString()));
        }
    }

    /// <summary>Why a connection over TLS is closed by who has shown a good certificate.</summary>
    private ExaminationFinding? CertificateOfOurs(KafkaChannel channel, string why) =>
        _certificates is { HasOwn: true } ? KafkaFindings.ClientCertificateRefused(channel.Address, why)
        : channel.AsksForCertificate ? KafkaFindings.ClientCertificateWanted(channel.Address, why)
        : null;

    /// <summary>Who answers when TLS is not understood.</summary>
    private async Task<ExaminationFinding> WithoutTlsAsync(KafkaChannel channel, string why, CancellationToken cancellationToken)
    {
        await using KafkaChannel plain = await ConnectAsync(channel.Address, [channel.Ip], cancellationToken);
        KafkaLink link = new(plain.Stream, options.ClientId, patience.Answer);
        try
        {
            await link.AskVersionsAsync(cancellationToken);
            return KafkaFindings.TlsNotSpoken(channel.Address, why);
        }
        catch (KafkaLinkException exception) when (exception.Failure == KafkaLinkFailure.NotKafka)
        {
            return IsTls(exception.Said.Span) ? KafkaFindings.TlsFailed(channel.Address, why) : WhoSays(channel.Address, exception);
        }
        catch (KafkaLinkException)
        {
            return await IsZooKeeperAsync(channel, cancellationToken) is { } version ? KafkaFindings.ZooKeeper(channel.Address, version) : KafkaFindings.TlsFailed(channel.Address, why);
        }
    }

    private async Task<ExaminationFinding> WhyNoVersionsAsync(KafkaChannel channel, KafkaLinkException exception, CancellationToken cancellationToken)
    {
        if (exception.Failure == KafkaLinkFailure.NotKafka)
        {
            return !channel.IsTls && IsTls(exception.Said.Span) ? KafkaFindings.TlsWanted(channel.Address, exception.Message) : WhoSays(channel.Address, exception);
        }

        if (exception.Failure == KafkaLinkFailure.Malformed)
        {
            return KafkaFindings.NotKafka(channel.Address, exception.Message);
        }

        if (channel.IsTls && exception.Failure == KafkaLinkFailure.Closed && CertificateOfOurs(channel, exception.Message) is { } own)
        {
            return own;
        }

        if (!channel.IsTls)
        {
            if (await IsTlsAsync(channel, cancellationToken))
            {
                return KafkaFindings.TlsWanted(channel.Address, $"{exception.Message}; a handshake of TLS is answered");
            }

            if (await IsZooKeeperAsync(channel, cancellationToken) is { } version)
            {
                return KafkaFindings.ZooKeeper(channel.Address, version);
            }
        }

        return exception.Failure == KafkaLinkFailure.Silent ? KafkaFindings.NoAnswer(channel.Address, exception.Message) : KafkaFindings.ClosedAtOnce(channel.Address, exception.Message);
    }

    /// <summary>Why a broker that has told its versions closes the connection at the next question.</summary>
    private async Task<ExaminationFinding> WhyClosedAsync(KafkaChannel channel, KafkaLinkException exception, CancellationToken cancellationToken)
    {
        await using KafkaChannel again = await ConnectAsync(channel.Address, [channel.Ip], cancellationToken);
        if (channel.IsTls)
        {
            await SecureAsync(again, cancellationToken);
        }

        try
        {
            KafkaLink link = await BeginAsync(again, cancellationToken);
            (KafkaError error, IReadOnlyList<string> mechanisms) = await link.HandshakeAsync("SCRAM-SHA-512", cancellationToken);
            return error is KafkaError.None or KafkaError.UnsupportedSaslMechanism ? KafkaFindings.SignInWanted(channel.Address, mechanisms) : KafkaFindings.ClosedAtOnce(channel.Address, exception.Message);
        }
        catch (KafkaLinkException)
        {
            return KafkaFindings.ClosedAtOnce(channel.Address, exception.Message);
        }
    }

    // A broker that is spoken to without TLS on a port of TLS mostly closes it without a word.
    private async Task<bool> IsTlsAsync(KafkaChannel channel, CancellationToken cancellationToken)
    {
        bool isCertified = false;
        try
        {
            await using KafkaChannel again = await ConnectAsync(channel.Address, [channel.Ip], cancellationToken);
            SslStream tls = new(again.Stream);
            again.Stream = tls;
            await WithinAsync(patience.Connect, async late =>
            {
                await tls.AuthenticateAsClientAsync(new()
                {
                    TargetHost = channel.Address.Host,
                    RemoteCertificateValidationCallback = (_, _, _, _) =>
                    {
                        isCertified = true;
                        return false; // that it has one is all that is asked
                    },
                }, late);
                return true;
            }, cancellationToken);
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or TimeoutException or FindingException)
        {
            return isCertified;
        }

        return isCertified;
    }

    /// <summary>What ZooKeeper says of itself; null: it is none.</summary>
    private async Task<string?> IsZooKeeperAsync(KafkaChannel channel, CancellationToken cancellationToken)
    {
        byte[] answer = new byte[128];
        try
        {
            await using KafkaChannel again = await ConnectAsync(channel.Address, [channel.Ip], cancellationToken);
            int read = await WithinAsync(patience.Connect, async late =>
            {
                await again.Stream.WriteAsync("srvr"u8.ToArray(), late);
                return await again.Stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, late);
            }, cancellationToken);
            string said = Encoding.ASCII.GetString(answer, 0, read).Split('\n')[0];
            return said.StartsWith("Zookeeper version", StringComparison.Ordinal) || said.Contains("is not executed because it is not in the whitelist", StringComparison.Ordinal) ? said : null;
        }
        catch (Exception exception) when (exception is IOException or TimeoutException or FindingException)
        {
            return null;
        }
    }

    private static ExaminationFinding WhoSays(KafkaAddress address, KafkaLinkException exception) =>
        exception.Said.Span.StartsWith("HTTP"u8) ? KafkaFindings.Http(address, exception.Message) : KafkaFindings.NotKafka(address, exception.Message);

    // A record of an alert, or of a handshake, of any version of TLS (RFC 8446, 5.1).
    private static bool IsTls(ReadOnlySpan<byte> said) => said.Length >= 2 && said[0] is 0x15 or 0x16 && said[1] == 3;
}

/// <summary>A connection on the way to a broker.</summary>
internal sealed class KafkaChannel(KafkaAddress address, IPAddress ip, Stream stream) : IAsyncDisposable
{
    /// <summary>As the settings, or the broker, name it.</summary>
    public KafkaAddress Address { get; } = address;

    /// <summary>As the name was looked up.</summary>
    public IPAddress Ip { get; } = ip;

    /// <summary>What is spoken over.</summary>
    public Stream Stream { get; set; } = stream;

    /// <summary>Whether that is TLS.</summary>
    public bool IsTls => Stream is SslStream;

    /// <summary>Whether the other side would have a certificate of ours.</summary>
    public bool AsksForCertificate { get; set; }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
