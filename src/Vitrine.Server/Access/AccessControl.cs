using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Vitrine.Wire;

namespace Vitrine.Server.Access;

/// <summary>The tokens and what each grants. Every comparison takes the same time, whichever token matches or none.</summary>
internal sealed class AccessControl
{
    private const int TokenBytes = 32;
    private const int TokenCharactersMin = 22;
    private const int TokenCharactersMax = 128;

    private readonly (byte[] Hash, ViewerGrants Grants)[] _tokens;

    public AccessControl(ServerOptions options)
    {
        ViewToken = options.Token ?? NewToken();
        List<(byte[], ViewerGrants)> tokens = [(Hash(ViewToken), ViewerGrants.View)];
        if (options.Control)
        {
            ControlToken = NewToken();
            tokens.Add((Hash(ControlToken), ViewerGrants.View | ViewerGrants.Control));
        }

        if (options.Administer)
        {
            AdministerToken = NewToken();
            tokens.Add((Hash(AdministerToken), ViewerGrants.View | ViewerGrants.Control | ViewerGrants.Administer));
        }

        _tokens = [.. tokens];
    }

    public string ViewToken { get; }

    public string? ControlToken { get; }

    public string? AdministerToken { get; }

    /// <summary>What a token grants; <see cref="ViewerGrants.None"/> when it is none of ours.</summary>
    public ViewerGrants Check(string? token)
    {
        if (token is null || token.Length > TokenCharactersMax)
        {
            return ViewerGrants.None;
        }

        // Hashes have one length, so that the comparison does not tell the length of the token either.
        byte[] hash = Hash(token);
        ViewerGrants grants = ViewerGrants.None;
        foreach ((byte[] expected, ViewerGrants granted) in _tokens)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, expected))
            {
                grants |= granted;
            }
        }

        return grants;
    }

    public static bool IsWellFormed(string token) =>
        token.Length is >= TokenCharactersMin and <= TokenCharactersMax && token.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    private static string NewToken() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(TokenBytes));

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
