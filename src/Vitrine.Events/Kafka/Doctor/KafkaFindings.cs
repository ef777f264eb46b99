using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using static System.FormattableString;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>What can be wrong with a way to Kafka: a code, the sentence and the mend of each, so that they stand beside each other.</summary>
internal static class KafkaFindings
{
    private const string InFile = $"Write in {KafkaSettingNames.FileName}";
    private const string InBroker = "Write in the broker's server.properties, and start it again";

    // The best first.
    private static readonly string[] s_known = [.. Enum.GetValues<KafkaSaslMechanism>().OrderDescending().Select(KafkaSasl.NameOf)];

    public static ExaminationFinding Library(string why) => new("library-missing", why, "Install it.", $"apt-get install {KafkaLibrary.Package}");

    public static ExaminationFinding Bootstrap(string text) => new(
        "bootstrap-unreadable", $"«{text}» in {KafkaSettingNames.Bootstrap} is no address of a broker.", $"{InFile} a name and a port, with commas between several.", $"{KafkaSettingNames.Bootstrap}: kafka-1:9092");

    public static ExaminationFinding Prefix(string prefix) => new(
        "topic-name", $"Topics cannot be named «{prefix}…»: names have letters, digits, «.», «_» and «-», 249 at most.", $"{InFile} another beginning of their names.", $"{KafkaSettingNames.TopicPrefix}: {KafkaOptions.DefaultTopicPrefix}");

    public static ExaminationFinding NoUser() => new(
        "user-missing", $"{KafkaSettingNames.Sasl} says how to sign in, but not who does.", $"{InFile} the name that the brokers know.", $"{KafkaSettingNames.User}: NAME");

    public static ExaminationFinding TlsFile(string setting, string path, string why) => new(
        "tls-file", $"{path}, which {setting} names, cannot be used: {why.TrimEnd('.')}.", $"{InFile} the path of a PEM file that this user can read.", $"{setting}: FILE");

    public static ExaminationFinding TlsHalf(string given, string lacking) => new(
        "tls-file", $"{given} is given without {lacking}: a certificate and its private key belong together.", $"{InFile} the other one too.", $"{lacking}: FILE");

    public static ExaminationFinding TlsKeyPassword(string path, string evidence) => new(
        "tls-key-password", $"The key in {path} has a password, and {KafkaSettingNames.KeyPassword} is not it.", $"{InFile} the one that it has.", $"{KafkaSettingNames.KeyPassword}: PASSWORD", evidence);

    public static ExaminationFinding OwnCertificateTime(string path, X509Certificate2 certificate, DateTimeOffset now) => new(
        "client-certificate-time", $"Our certificate in {path} is valid from {Day(certificate.NotBefore)} to {Day(certificate.NotAfter)}; today is {Day(now.UtcDateTime)}.",
        $"Have a new one made, and name it in {KafkaSettingNames.FileName}; or set this machine's clock.", $"{KafkaSettingNames.Certificate}: FILE", certificate.Subject);

    public static ExaminationFinding NameUnknown(KafkaAddress address, string evidence) => new(
        "name-unknown", $"The name {address.Host} is not known on this machine.", $"{InFile} a name that it knows, or the broker's IP address; or have the name added to DNS or /etc/hosts.", $"{KafkaSettingNames.Bootstrap}: HOST:{address.Port}", evidence);

    public static ExaminationFinding PortClosed(KafkaAddress address, string evidence) => new(
        "port-closed", $"{address.Host} is there, but nothing listens on its port {address.Port}.", $"Start the broker, or write in {KafkaSettingNames.FileName} the port of its «listeners».", $"{KafkaSettingNames.Bootstrap}: {address.Host}:PORT", evidence);

    public static ExaminationFinding PortSilent(KafkaAddress address, TimeSpan waited, string evidence) => new(
        "port-silent", Invariant($"{address} does not take a connection within {waited.TotalSeconds} s: packets to it are lost or dropped on the way."), $"Let TCP port {address.Port} through the firewalls between here and {address.Host}; nc tells when it is open.", $"nc -vz {address.Host} {address.Port}", evidence);

    public static ExaminationFinding TlsWanted(KafkaAddress address, string evidence) => new(
        "tls-wanted", $"{address} speaks TLS, and {KafkaSettingNames.Tls} is off.", $"{InFile} that TLS is spoken, and who has signed the brokers' certificates ({KafkaSettingNames.Authorities}) unless the system knows them.", $"{KafkaSettingNames.Tls}: on", evidence);

    public static ExaminationFinding TlsNotSpoken(KafkaAddress address, string evidence) => new(
        "tls-not-spoken", $"{address} speaks Kafka without TLS, and {KafkaSettingNames.Tls} is on.", $"{InFile} that TLS is not spoken, or the broker's port that does.", $"{KafkaSettingNames.Tls}: off", evidence);

    public static ExaminationFinding TlsFailed(KafkaAddress address, string evidence) => new(
        "tls-failed", $"{address} and this program cannot agree on TLS.", $"{InBroker}, what both know.", "ssl.enabled.protocols=TLSv1.2,TLSv1.3", evidence);

    public static ExaminationFinding CertificateName(KafkaAddress address, IReadOnlyList<string> names, string evidence) => new(
        "certificate-name", $"The certificate that {address} shows is for {Or(names)}, not for {address.Host}.",
        names.Count > 0 ? $"{InFile} a name that the certificate is for; or have one made for {address.Host} too." : $"Have a certificate made that is for {address.Host}, and start the broker with it.",
        names.Count > 0 ? $"{KafkaSettingNames.Bootstrap}: {new KafkaAddress(names[0], address.Port)}" : $"subjectAltName=DNS:{address.Host}", evidence);

    public static ExaminationFinding CertificateExpired(KafkaAddress address, X509Certificate2 certificate) => new(
        "certificate-expired", $"The certificate of {address} expired on {Day(certificate.NotAfter)}.", "Have a new one made, and start the broker with it.", "ssl.keystore.location=FILE", certificate.Subject);

    public static ExaminationFinding CertificateNotYetValid(KafkaAddress address, X509Certificate2 certificate, DateTimeOffset now) => new(
        "certificate-not-yet-valid", $"The certificate of {address} is valid from {Day(certificate.NotBefore)} on, and today is {Day(now.UtcDateTime)} here.", "Set the clock of this machine, or of the one that made the certificate, and have another one made.", "timedatectl set-ntp true", certificate.Subject);

    public static ExaminationFinding AuthorityUnknown(KafkaAddress address, string issuer, string? file, string evidence) => new(
        "authority-unknown", $"The certificate of {address} is signed by «{issuer}», which {(file is null ? "this machine" : file)} does not have.",
        $"{InFile} the PEM file with the certificate of that authority.", $"{KafkaSettingNames.Authorities}: FILE", evidence);

    public static ExaminationFinding ClientCertificateWanted(KafkaAddress address, string evidence) => new(
        "client-certificate-wanted", $"{address} asks for a certificate of ours (ssl.client.auth=required), and none is set.", $"{InFile} one that the brokers know the authority of, and its key in {KafkaSettingNames.Key}.", $"{KafkaSettingNames.Certificate}: FILE", evidence);

    public static ExaminationFinding ClientCertificateRefused(KafkaAddress address, string evidence) => new(
        "client-certificate-refused", $"{address} does not take our certificate.", "Put the authority that has signed ours into the broker's trust store, or have ours signed by one that is in it.", "ssl.truststore.location=FILE", evidence);

    public static ExaminationFinding Http(KafkaAddress address, string evidence) => new(
        "http-port", $"A web server answers at {address}, not Kafka.", $"{InFile} the broker's port, which is mostly 9092.", $"{KafkaSettingNames.Bootstrap}: {address with { Port = KafkaAddress.DefaultPort }}", evidence);

    public static ExaminationFinding ZooKeeper(KafkaAddress address, string evidence) => new(
        "zookeeper-port", $"ZooKeeper answers at {address}, not a broker of Kafka.", $"{InFile} the broker's port, which is mostly 9092.", $"{KafkaSettingNames.Bootstrap}: {address with { Port = KafkaAddress.DefaultPort }}", evidence);

    public static ExaminationFinding NotKafka(KafkaAddress address, string evidence) => new(
        "not-kafka", $"What answers at {address} is not Kafka.", $"{InFile} the broker's address.", $"{KafkaSettingNames.Bootstrap}: {address with { Port = KafkaAddress.DefaultPort }}", evidence);

    public static ExaminationFinding ClosedAtOnce(KafkaAddress address, string evidence) => new(
        "closed-at-once", $"{address} takes connections and closes each without a word: a proxy whose broker is gone, or a broker that has enough of them.", "Start the broker behind the proxy; or let the broker take more connections.", "max.connections=2147483647", evidence);

    public static ExaminationFinding NoAnswer(KafkaAddress address, string evidence) => new(
        "no-answer", $"{address} takes connections and answers nothing: the broker hangs, or it is something else.", "Look at the broker's log, and start it again.", "", evidence);

    public static ExaminationFinding Controller(KafkaAddress address, string evidence) => new(
        "controller-port", $"{address} is the port of a controller, which serves brokers only.", $"{InFile} the port of a listener that is not in the broker's controller.listener.names, which is mostly 9092.", $"{KafkaSettingNames.Bootstrap}: {address with { Port = KafkaAddress.DefaultPort }}", evidence);

    public static ExaminationFinding TooOld(KafkaAddress address, string evidence) => new(
        "broker-too-old", $"The broker at {address} is too old: it does not have transactions, without which nothing is done exactly once.", "Run Kafka 2.1 or later.", "", evidence);

    public static ExaminationFinding Unforeseen(KafkaAddress address, string evidence) => new(
        "protocol", $"The broker at {address} does not answer as this program understands it.", "Run a version of Kafka from 2.1 to 4, and the newest Vitrine.", "", evidence);

    public static ExaminationFinding SignInWanted(KafkaAddress address, IReadOnlyList<string> offered) => new(
        "sign-in-wanted", $"{address} wants clients to sign in, and {KafkaSettingNames.Sasl} is none. It takes {Or(offered)}.",
        $"{InFile} how, and who ({KafkaSettingNames.User}, {KafkaSettingNames.Password}).", $"{KafkaSettingNames.Sasl}: {NameOf(offered) ?? "scram-sha-512"}");

    public static ExaminationFinding SignInNotWanted(KafkaAddress address, string evidence) => new(
        "sign-in-not-wanted", $"Nobody signs in at {address}, and {KafkaSettingNames.Sasl} is set.", $"{InFile} that nobody does; or the broker's port of a SASL listener.", $"{KafkaSettingNames.Sasl}: none", evidence);

    public static ExaminationFinding MechanismNotOffered(KafkaAddress address, string wanted, IReadOnlyList<string> offered) => NameOf(offered) is { } name
        ? new("mechanism-not-offered", $"{address} does not take {wanted}; it takes {Or(offered)}.", $"{InFile} one that it takes.", $"{KafkaSettingNames.Sasl}: {name}")
        : new("mechanism-not-offered", $"{address} does not take {wanted}; it takes {Or(offered)}, none of which this program knows.", $"{InBroker}, one that it knows.", $"sasl.enabled.mechanisms={string.Join(',', offered.Append("SCRAM-SHA-512"))}");

    public static ExaminationFinding UserUnknown(string user, string mechanism, string evidence) => new(
        "user-unknown", $"The brokers know no user «{user}» for {mechanism}.", "Have the user made, for this mechanism; or write another name in " + KafkaSettingNames.FileName + $" ({KafkaSettingNames.User}).",
        $"kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type users --entity-name {user} --add-config '{mechanism}=[password=PASSWORD]'", evidence);

    public static ExaminationFinding PasswordWrong(string user, string evidence) => new(
        "password-wrong", $"The password of «{user}» is not the one that the brokers have.", $"{InFile} the one that they have.", $"{KafkaSettingNames.Password}: PASSWORD", evidence);

    public static ExaminationFinding SignInRefused(string user, string mechanism, string evidence) => new(
        "sign-in-refused", $"The brokers do not let «{user}» in with {mechanism}: the name or the password is not theirs.", $"{InFile} the ones that they have ({KafkaSettingNames.User} too).", $"{KafkaSettingNames.Password}: PASSWORD", evidence);

    public static ExaminationFinding NotGenuine(KafkaAddress address, string evidence) => new(
        "server-not-genuine", $"{address} does not prove that it knows the password: it is no broker of that cluster.", "Find out who answers there before the password is used again.", $"openssl s_client -connect {address}", evidence);

    public static ExaminationFinding AdvertisedLoopback(KafkaBroker broker, string line) => new(
        "advertised-loopback", $"Broker {broker.Node} tells clients to come to {broker.Address}, which is this machine and not the broker's.", $"{InBroker}, the name that clients reach it by.", line);

    public static ExaminationFinding AdvertisedUnknown(KafkaBroker broker, string line, string evidence) => new(
        "advertised-unknown", $"Broker {broker.Node} tells clients to come to {broker.Address}, a name that is not known on this machine.", $"{InBroker}, the name that clients reach it by.", line, evidence);

    public static ExaminationFinding AdvertisedSilent(KafkaBroker broker, string line, string evidence) => new(
        "advertised-unreachable", $"Broker {broker.Node} tells clients to come to {broker.Address}, where nobody takes a connection.", $"{InBroker}, an address that clients reach; or start broker {broker.Node}, if it is down.", line, evidence);

    public static ExaminationFinding AdvertisedOther(KafkaBroker broker, string line, ExaminationFinding there) => new(
        "advertised-other-protocol", $"Broker {broker.Node} tells clients to come to {broker.Address}, where something else is spoken: {there.Sentence}", $"{InBroker}, the port of the listener that clients use.", line, there.Evidence);

    public static ExaminationFinding AdvertisedOtherCluster(KafkaBroker broker, string line, string cluster, string other) => new(
        "advertised-other-cluster", $"Broker {broker.Node} of cluster {cluster} tells clients to come to {broker.Address}, where cluster {other} is.", $"{InBroker}, its own address.", line);

    public static ExaminationFinding NoController(string evidence) => new(
        "no-controller", "The cluster has no controller: topics cannot be made, and leaders are not chosen.", "Start the controllers: more than half of those that the brokers' settings name must run.", "controller.quorum.voters=1@HOST:9093", evidence);

    public static ExaminationFinding TopicDenied(string topic, string user, string operation, string acl) => new(
        "topic-denied", $"{user} may not {operation.ToLowerInvariant()} the topic {topic}.", "Have the right given.", acl);

    public static ExaminationFinding TopicMakingDenied(string topic, string user, string acl) => new(
        "topic-making-denied", $"The topic {topic} is not there, and {user} may not make it.", $"Have the right given; or have the topics made, and write «{KafkaSettingNames.MakesTopics}: off» in {KafkaSettingNames.FileName}.", acl);

    public static ExaminationFinding TopicMissing(string topic, int partitions) => new(
        "topic-missing", $"The topic {topic} is not there, and {KafkaSettingNames.MakesTopics} is off.", $"Have it made, with {partitions} partitions; or let it be made: «{KafkaSettingNames.MakesTopics}: on» in {KafkaSettingNames.FileName}.",
        $"kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic} --partitions {partitions}");

    public static ExaminationFinding TopicRefused(string topic, KafkaError error, string evidence) => new(
        "topic-refused", $"The cluster would not make the topic {topic}: {KafkaLink.Text(error)}.", $"Have it made as the cluster's policy allows, and write «{KafkaSettingNames.MakesTopics}: off» in {KafkaSettingNames.FileName}.", $"{KafkaSettingNames.MakesTopics}: off", evidence);

    public static ExaminationFinding Replication(string topic, short? wanted, int brokers, string evidence) => new(
        "replication-impossible", wanted is { } copies
            ? $"Topics are to have {copies} copies, and the cluster has {Of(brokers, "broker")}."
            : $"The cluster would give the topic {topic} more copies than it has brokers ({brokers}).",
        wanted is not null ? $"{InFile} no more than there are brokers." : $"{InFile} how many it is to have, no more than there are brokers.", $"{KafkaSettingNames.Replication}: {brokers}", evidence);

    public static ExaminationFinding PartitionsUnequal(string topic, int count, string other, int otherCount) => new(
        "partitions-unequal", $"{topic} has {Of(count, "partition")} and {other} {otherCount}; all topics must have the same number, or events of one host come to different members.",
        "Have the smaller one enlarged. What is in it keeps its place; what comes is spread anew.",
        $"kafka-topics.sh --bootstrap-server HOST:PORT --alter --topic {(count < otherCount ? topic : other)} --partitions {Math.Max(count, otherCount)}");

    public static ExaminationFinding PartitionsUnequalToBe(string topic, int count, string missing, int wanted) => new(
        "partitions-unequal", $"{topic} has {Of(count, "partition")}, and {missing}, which is not there yet, would get {wanted}; all topics must have the same number.", $"{InFile} the number that the topics have.", $"{KafkaSettingNames.Partitions}: {count}");

    public static ExaminationFinding NoLeader(string topic, KafkaPartition partition) => new(
        "no-leader", $"Partition {partition.Index} of {topic} has no leader: nothing can be written to it or read.", $"Start the brokers that have copies of it: {string.Join(", ", partition.Replicas)}.", "", $"in sync: {string.Join(", ", partition.InSync)}");

    public static ExaminationFinding Compacted(string topic) => new(
        "topic-compacted", $"{topic} keeps only the last event of each host (cleanup.policy has «compact»): the others are thrown away.", "Have it keep all of them, for as long as it keeps any.",
        $"kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=delete");

    public static ExaminationFinding InSyncImpossible(string topic, int wanted, int copies) => new(
        "min-insync-impossible", $"{topic} takes an event when {wanted} copies have it (min.insync.replicas), and has {copies}: it takes none.", "Have it ask for no more than there are copies.",
        $"kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name {topic} --add-config min.insync.replicas={copies}");

    public static ExaminationFinding InSyncImpossibleToBe(int wanted, int copies, int brokers) => new(
        "min-insync-impossible", $"Topics that are made would have {Of(copies, "copy", "copies")}, and the brokers want {wanted} to have an event (min.insync.replicas): none would be taken.",
        wanted <= brokers ? $"{InFile} as many copies." : $"{InBroker}, no more than there are copies.", wanted <= brokers ? $"{KafkaSettingNames.Replication}: {wanted}" : $"min.insync.replicas={copies}");

    public static ExaminationFinding InSyncTooFew(string topic, KafkaPartition partition, int wanted) => new(
        "too-few-in-sync", $"{topic} takes an event when {wanted} copies have it (min.insync.replicas); of partition {partition.Index}, {Of(partition.InSync.Length, "copy", "copies")} of {partition.Replicas.Length} {(partition.InSync.Length == 1 ? "is" : "are")} in sync.",
        $"Start brokers {string.Join(", ", partition.Replicas.Except(partition.InSync))}, and wait until they have caught up.", "");

    public static ExaminationFinding MessagesTooSmall(string topic, long bytes, int wanted) => new(
        "messages-too-small", $"{topic} takes messages of {bytes} bytes (max.message.bytes), and events may have {wanted}.", "Have it take as many.",
        $"kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes={wanted}");

    public static ExaminationFinding IdempotenceDenied(string user, string acl) => new(
        "idempotence-denied", $"{user} may not write so that nothing is written twice (IdempotentWrite on the cluster, with Kafka before 3.0).", "Have the right given.", acl);

    public static ExaminationFinding InSyncRefused(string topic, KafkaError error) => new(
        "not-enough-replicas", $"{topic} did not take an event: fewer copies are in sync than min.insync.replicas asks for.", "Start the brokers that are down, or have it ask for fewer.",
        $"kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name {topic} --add-config min.insync.replicas=1", KafkaLink.Text(error));

    public static ExaminationFinding TimestampRefused(string topic, DateTimeOffset now) => new(
        "timestamp-refused", Invariant($"{topic} does not take events of {now.UtcDateTime:yyyy-MM-dd HH:mm:ss} (UTC): this machine's clock and the broker's differ by more than it allows."), "Set the clocks of both, and keep them so.", "timedatectl set-ntp true");

    public static ExaminationFinding NotWritten(string topic, string evidence) => new(
        "not-written", $"An event could not be written to {topic}.", "Look at the broker's log: it says why.", "", evidence);

    public static ExaminationFinding NotRead(string topic, string evidence) => new(
        "not-read", $"The event that was written to {topic} could not be read from it.", "Look at the broker's log: it says why.", "", evidence);

    public static ExaminationFinding GroupDenied(string group, string user, string acl) => new(
        "group-denied", $"{user} may not be in the group {group}.", "Have the right given.", acl);

    public static ExaminationFinding GroupUnavailable(int brokers, string wanted, string evidence) => new(
        "offsets-topic", $"Nobody coordinates groups: the cluster cannot make its topic of their places, which is to have {wanted} copies with {Of(brokers, "broker")}.", $"{InBroker}, no more copies than there are brokers.", $"offsets.topic.replication.factor={brokers}", evidence);

    public static ExaminationFinding SessionTimeout(TimeSpan wanted, string evidence) => new(
        "session-timeout", Invariant($"The brokers do not take a session timeout of {wanted.TotalSeconds} s: it is not between group.min.session.timeout.ms and group.max.session.timeout.ms."), $"{InFile} one that is between them, in seconds.", $"{KafkaSettingNames.SessionTimeout}: 10", evidence);

    public static ExaminationFinding GroupFailed(string group, string evidence) => new(
        "group-failed", $"The group {group} cannot be joined.", "Look at the log of the broker that coordinates it: it says why.", "", evidence);

    public static ExaminationFinding TransactionDenied(string id, string user, string acl) => new(
        "transaction-denied", $"{user} may not use the transactional id {id}.", "Have the right given.", acl);

    public static ExaminationFinding TransactionsUnavailable(int brokers, string wanted, string evidence) => new(
        "transaction-log", $"Nobody coordinates transactions: the cluster cannot make its log of them, which is to have {wanted} copies with {Of(brokers, "broker")}.",
        $"{InBroker}, no more copies than there are brokers, and no more of them in sync.", $"transaction.state.log.replication.factor={brokers}, transaction.state.log.min.isr={Math.Max(1, brokers - 1)}", evidence);

    public static ExaminationFinding TransactionFailed(string id, string evidence) => new(
        "transaction-failed", $"A transaction of {id} cannot be begun and given up.", "Look at the log of the broker that coordinates it: it says why.", "", evidence);

    public static ExaminationFinding TransactionTimeout(TimeSpan wanted, string evidence) => new(
        "transaction-timeout", Invariant($"The brokers do not take transactions of {wanted.TotalSeconds} s (transaction.max.timeout.ms)."), $"{InBroker}, as much at least.", Invariant($"transaction.max.timeout.ms={(long)wanted.TotalMilliseconds}"), evidence);

    public static ExaminationFinding Clocks(TimeSpan ahead, string broker) => new(
        "clocks-differ", Invariant($"The clock of broker {broker} is {Math.Abs(ahead.TotalSeconds):0.#} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} this machine's: events of several hosts come in a wrong order."), "Set both clocks, and keep them so.", "timedatectl set-ntp true");

    public static ExaminationFinding DiskFailed(int node, KafkaDisk disk) => new(
        "log-dir-failed", $"Broker {node} cannot use its folder {disk.Folder}.", "Look at the disk, mend it, and start the broker again.", "", KafkaLink.Text(disk.Error));

    public static ExaminationFinding DiskFull(int node, KafkaDisk disk) => new(
        "disk-nearly-full", $"The disk with {disk.Folder} of broker {node} is nearly full: {Bytes(disk.UsableBytes)} of {Bytes(disk.TotalBytes)} are left.", "Make room, or have topics keep less.",
        "kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name TOPIC --add-config retention.bytes=1073741824");

    public static ExaminationFinding RegistryUnreachable(Uri address, string evidence) => new(
        "registry-unreachable", $"The schema registry at {address} cannot be reached.", $"Start it, or write its address in {KafkaSettingNames.FileName}.", $"{KafkaSettingNames.Registry}: http://HOST:8081", evidence);

    public static ExaminationFinding RegistryDenied(Uri address, string evidence) => new(
        "registry-denied", $"The schema registry at {address} does not let us in.", $"{InFile} a name that it knows, and its password ({KafkaSettingNames.RegistryPasswordFile}).", $"{KafkaSettingNames.RegistryUser}: NAME", evidence);

    public static ExaminationFinding NotARegistry(Uri address, string evidence) => new(
        "not-a-registry", $"What answers at {address} is no schema registry.", $"{InFile} the registry's address.", $"{KafkaSettingNames.Registry}: http://HOST:8081", evidence);

    /// <summary>The way to sign in as the settings name it, the best that is offered first; null: none of ours is.</summary>
    private static string? NameOf(IReadOnlyList<string> offered) =>
        s_known.FirstOrDefault(offered.Contains)?.ToLowerInvariant();

    private static string Or(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join(" or ", names.Take(5));

    private static string Of(int count, string one, string? several = null) => Invariant($"{count} {(count == 1 ? one : several ?? one + "s")}");

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Bytes(long bytes) => bytes >= 1L << 30 ? Invariant($"{bytes / (double)(1L << 30):0.#} GiB") : Invariant($"{bytes >> 20} MiB");
}
