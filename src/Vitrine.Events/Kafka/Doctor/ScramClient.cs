using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Vitrine.Events.Kafka.Doctor;

/// <summary>One side of SCRAM (RFC 5802, with SHA-256 by RFC 7677, and SHA-512 likewise): the password is shown to be known, and not told.</summary>
/// <remarks>Names and passwords are taken as UTF-8 as they are, as brokers do: without SASLprep.</remarks>
internal sealed class ScramClient(HashAlgorithmName hash, string user, string password, string nonce)
{
    // RFC 7677 asks for 4,096 at least. The server chooses: without a bound it could hold us for hours.
    private const int IterationsLeast = 4096, IterationsMost = 1_000_000;

    private const string Header = "n,,"; // no binding to the channel, no other identity

    private readonly string _first = $"n={user.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
    private byte[] _serverSignature = [];

    public static string NewNonce() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(24));

    /// <summary>What is sent first.</summary>
    public string First => Header + _first;

    /// <summary>What is sent when the server has answered.</summary>
    /// <exception cref="KafkaProtocolException">Its answer is none of SCRAM's, or not to this question.</exception>
    public string Prove(string serverFirst)
    {
        Dictionary<char, string> said = Parse(serverFirst);
        if (!said.TryGetValue('r', out string? joined) || !joined.StartsWith(nonce, StringComparison.Ordinal) || joined.Length == nonce.Length
            || !said.TryGetValue('s', out string? saltText) || !said.TryGetValue('i', out string? iterationsText)
            || !int.TryParse(iterationsText, NumberStyles.None, CultureInfo.InvariantCulture, out int iterations))
        {
            throw new KafkaProtocolException("the server's first message is none of SCRAM's");
        }

        if (iterations is < IterationsLeast or > IterationsMost)
        {
            throw new KafkaProtocolException($"the server asks for {iterations} rounds of SCRAM; {IterationsLeast} to {IterationsMost} are done");
        }

        byte[] salt = FromBase64(saltText);
        byte[] salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), salt, iterations, hash, Hash([]).Length);
        byte[] clientKey = Mac(salted, "Client Key");
        string final = $"c={Convert.ToBase64String(Encoding.UTF8.GetBytes(Header))},r={joined}";
        string whole = $"{_first},{serverFirst},{final}";
        byte[] proof = Mac(Hash(clientKey), whole);
        for (int i = 0; i < proof.Length; i++)
        {
            proof[i] ^= clientKey[i];
        }

        _serverSignature = Mac(Mac(salted, "Server Key"), whole);
        return $"{final},p={Convert.ToBase64String(proof)}";
    }

    /// <summary>Whether the server has shown that it knows the password too.</summary>
    public bool IsProved(string serverFinal) =>
        Parse(serverFinal).TryGetValue('v', out string? signature) && CryptographicOperations.FixedTimeEquals(FromBase64(signature), _serverSignature);

    private static Dictionary<char, string> Parse(string message)
    {
        Dictionary<char, string> values = [];
        foreach (string part in message.Split(','))
        {
            if (part.Length >= 2 && part[1] == '=')
            {
                values[part[0]] = part[2..];
            }
        }

        return values;
    }

    private static byte[] FromBase64(string text)
    {
        byte[] bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out int length) ? bytes[..length] : throw new KafkaProtocolException("a message of SCRAM's is damaged");
    }

    private byte[] Hash(byte[] bytes) => CryptographicOperations.HashData(hash, bytes);

    private byte[] Mac(byte[] key, string text) => CryptographicOperations.HmacData(hash, key, Encoding.UTF8.GetBytes(text));
}
