using System.Text.Json;

namespace Vitrine.Lab;

/// <summary>A <c>vitrine share</c> of a display in a process of its own, so that its processor time and memory are its own.</summary>
internal sealed class ShareProcess : IAsyncDisposable
{
    private static readonly TimeSpan s_startTimeout = TimeSpan.FromSeconds(30);
    private readonly ChildProcess _child;
    private readonly string _directory;

    private ShareProcess(ChildProcess child, string directory, Uri url, string token, string? administerToken, int processId) =>
        (_child, _directory, Url, Token, AdministerToken, ProcessId) = (child, directory, url, token, administerToken, processId);

    /// <summary>Address with the token.</summary>
    public Uri Url { get; }

    /// <summary>The token in it.</summary>
    public string Token { get; }

    /// <summary>The token of <c>--administer on</c>; null without.</summary>
    public string? AdministerToken { get; }

    public int ProcessId { get; }

    /// <summary>What it has printed as errors and warnings.</summary>
    public string Errors => _child.Errors;

    /// <summary>Starts it and waits until it serves.</summary>
    /// <exception cref="LaboratoryException">It does not start; the message holds what it printed.</exception>
    public static Task<ShareProcess> StartAsync(LabOptions options, string display, CancellationToken cancellationToken, params string[] flags) =>
        StartAsync(options, ["share", "--display", display, .. flags], null, cancellationToken);

    /// <summary>Starts a verb that shares, and waits until it serves.</summary>
    /// <param name="options">Of the lab.</param>
    /// <param name="arguments">The verb and its flags.</param>
    /// <param name="environment">Added to this process's.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="start">Starts a program, here or in a namespace; null: here.</param>
    /// <exception cref="LaboratoryException">It does not start; the message holds what it printed.</exception>
    public static async Task<ShareProcess> StartAsync(
        LabOptions options, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string?>? environment, CancellationToken cancellationToken,
        Func<string, IEnumerable<string>, ChildProcess>? start = null)
    {
        string directory = Directory.CreateTempSubdirectory("vitrine-share-").FullName, ready = Path.Combine(directory, "ready.json");
        ChildProcess child = (start ?? ((program, all) => ChildProcess.Start(program, all, environment)))(
            "env", [$"VITRINE_EVENTS_FOLDER={Path.Combine(directory, "events")}", .. options.ProgramCommand, .. arguments, "--port", "0", "--ready-file", ready]); // not among the user's own
        child.IgnoreOutput();
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(10), options.Time);
        long started = options.Time.GetTimestamp();
        try
        {
            while (!File.Exists(ready))
            {
                if (child.HasExited || options.Time.GetElapsedTime(started) > s_startTimeout)
                {
                    throw new LaboratoryException($"vitrine {arguments[0]} does not start: {child.Errors}");
                }

                await poll.WaitForNextTickAsync(cancellationToken);
            }

            using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(ready, cancellationToken));
            JsonElement root = document.RootElement;
            return new ShareProcess(
                child, directory, new Uri(root.GetProperty("url").GetString()!), root.GetProperty("token").GetString()!,
                root.TryGetProperty("administerToken", out JsonElement administer) ? administer.GetString() : null, root.GetProperty("pid").GetInt32());
        }
        catch
        {
            await child.DisposeAsync();
            Directory.Delete(directory, recursive: true);
            throw;
        }
    }

    /// <summary>Whether <c>share</c> of this program knows a flag.</summary>
    public static async Task<bool> HasFlagAsync(LabOptions options, string flag, CancellationToken cancellationToken)
    {
        (_, string help, _) = await ChildProcess.RunAsync(options.ProgramCommand[0], [.. options.ProgramCommand.Skip(1), "share", "--help"], null, cancellationToken);
        return help.Contains(flag, StringComparison.Ordinal);
    }

    /// <summary>Ends it as a crash would.</summary>
    public void Kill() => _child.Kill();

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}
