using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Events.Hosts;
using Vitrine.Events.Kafka;
using Vitrine.Events.Kafka.Doctor;
using Vitrine.Events.Schemas;
using Vitrine.Events.Tests.Schemas;

namespace Vitrine.Events.Tests.Kafka.Doctor;

/// <summary>A user's options, a network, a broker and what else is there: healthy until a fault is seeded, and mended as users mend it, by a line.</summary>
internal sealed class SeededSetup : IAsyncDisposable
{
    public const string Host = "kafka.example", User = "vitrine", Password = "correct horse";

    public static readonly KafkaAddress Kafka = new(Host, 9092);

    private static readonly string[] s_resources = ["topic", "group", "transactional-id", "cluster"];

    private readonly List<X509Certificate2> _made = [];
    private readonly SetClock _clock = new();

    public SeededSetup()
    {
        Broker = new(_clock) { Brokers = [new(1, Kafka)] };
        Other = new(_clock) { Brokers = [new(1, Kafka)] };
        Broker.Users[User] = Password;
        Network.Names[Host] = Ip;
        Network.Ports[(Ip, 9092)] = Broker.Port;
        Options = new() { Bootstrap = Kafka.ToString(), Partitions = 2 };
        foreach (string topic in EventTopics.All)
        {
            Broker.Topics["vitrine." + topic] = new(2);
        }
    }

    /// <summary>Of the broker; none of this machine's.</summary>
    public static IPAddress Ip { get; } = IPAddress.Parse("192.0.2.10");

    public TestAuthority Authority { get; } = new("Vitrine's test authority");

    public SeededNetwork Network { get; } = new();

    public SeededBroker Broker { get; }

    /// <summary>Listens too, where a fault leads to it.</summary>
    public SeededBroker Other { get; }

    public TestRegistry? Registry { get; set; }

    public KafkaOptions Options { get; set; }

    public string? ProbeTopic { get; set; }

    /// <summary>With who does not answer; short where nobody is going to.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>The broker speaks TLS, with this certificate or one that is as it should be; users know the authority.</summary>
    public void SpeakTls(string name = Host, DateTimeOffset? from = null, DateTimeOffset? until = null)
    {
        Broker.Certificate = Keep(Authority.Sign(name, from, until));
        Options = Options with { Tls = new() { AuthoritiesFile = Authority.File } };
    }

    public X509Certificate2 Keep(X509Certificate2 certificate)
    {
        _made.Add(certificate);
        return certificate;
    }

    /// <summary>The broker asks who comes.</summary>
    public void SignIn(KafkaSaslMechanism mechanism, params string[] offered)
    {
        Broker.Mechanisms = [.. offered];
        Options = Options with { Sasl = new(mechanism, User, Password) };
    }

    public Task<Examination> ExamineAsync() => KafkaDoctor.ExamineAsync(
        Options, ProbeTopic, Network, new() { Connect = Patience, Answer = Patience, Settle = Settle, Pause = TimeSpan.FromMilliseconds(20) }, _clock, CancellationToken.None);

    /// <summary>With what a cluster does in the background.</summary>
    public TimeSpan Settle { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Does what the line of a mend says: writes it to <c>vitrine.yaml</c> or to the broker's settings, or runs it.</summary>
    public void Apply(string line)
    {
        if (line.StartsWith("events.kafka.", StringComparison.Ordinal) && line.Split(": ") is [var name, var value])
        {
            Options = name switch
            {
                KafkaSettingNames.Bootstrap => Options with { Bootstrap = value },
                KafkaSettingNames.Tls => Options with { Tls = value == "on" ? new() { AuthoritiesFile = Authority.File } : null },
                KafkaSettingNames.Authorities => Options with { Tls = (Options.Tls ?? new()) with { AuthoritiesFile = value } },
                KafkaSettingNames.Certificate => Options with { Tls = (Options.Tls ?? new()) with { CertificateFile = value } },
                KafkaSettingNames.Key => Options with { Tls = (Options.Tls ?? new()) with { KeyFile = value } },
                KafkaSettingNames.KeyPassword => Options with { Tls = Options.Tls! with { KeyPassword = value } },
                KafkaSettingNames.Sasl => Options with { Sasl = value == "none" ? null : new(Enum.Parse<KafkaSaslMechanism>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true), User, Password) },
                KafkaSettingNames.User => Options with { Sasl = Options.Sasl! with { User = value } },
                KafkaSettingNames.Password => Options with { Sasl = Options.Sasl! with { Password = value } },
                KafkaSettingNames.TopicPrefix => Options with { TopicPrefix = value },
                KafkaSettingNames.MakesTopics => Options with { MakesTopics = value == "on" },
                KafkaSettingNames.Partitions => Options with { Partitions = Number(value) },
                KafkaSettingNames.Replication => Options with { Replication = short.Parse(value, CultureInfo.InvariantCulture) },
                KafkaSettingNames.SessionTimeout => Options with { SessionTimeout = TimeSpan.FromSeconds(Number(value)) },
                KafkaSettingNames.Registry => Options with { Registry = RegistryAt(new(value)) },
                _ => throw new NotSupportedException(line),
            };
        }
        else if (line.StartsWith("kafka-", StringComparison.Ordinal))
        {
            Run(line.Split(' '));
        }
        else
        {
            foreach (string setting in line.Split(", "))
            {
                Set(setting.Split('=', 2)[0], setting.Split('=', 2)[1]);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Broker.DisposeAsync();
        await Other.DisposeAsync();
        await (Registry?.DisposeAsync() ?? default);
        _made.ForEach(certificate => certificate.Dispose());
        Authority.Dispose();
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static SchemaRegistryOptions RegistryAt(Uri address) => new()
    {
        Address = new(address.GetLeftPart(UriPartial.Scheme) + address.Authority),
        Credentials = address.UserInfo.Split(':') is [var name, var password] ? new(name, password) : null,
    };

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "advertised.listeners":
                Broker.Brokers = [new(1, KafkaAddress.TryParse(value, out KafkaAddress address) ? address : throw new NotSupportedException(value))];
                break;
            case "sasl.enabled.mechanisms":
                Broker.Mechanisms = [.. value.Split(',')];
                break;
            case "max.connections":
                Broker.MaxConnections = Number(value);
                break;
            default:
                Broker.Settings[name] = value;
                break;
        }
    }

    private void Run(string[] words)
    {
        string After(string flag) => words[Array.IndexOf(words, flag) + 1];
        switch (words[0])
        {
            case "kafka-acls.sh":
                string resource = s_resources.First(kind => words.Contains("--" + kind)).Replace("-", " ", StringComparison.Ordinal);
                for (int i = 0; i < words.Length; i++)
                {
                    if (words[i] == "--operation")
                    {
                        Broker.Denied.Remove($"{words[i + 1]} {resource}");
                    }
                }

                break;
            case "kafka-topics.sh" when words.Contains("--create"):
                Broker.Topics.Add(After("--topic"), new(Number(After("--partitions"))));
                break;
            case "kafka-topics.sh":
                Broker.Topics[After("--topic")].Partitions = Number(After("--partitions"));
                break;
            case "kafka-configs.sh":
                string[] setting = After("--add-config").Split('=');
                Broker.Topics[After("--entity-name")].Settings[setting[0]] = setting[1];
                break;
            default:
                throw new NotSupportedException(words[0]);
        }
    }
}
