using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Vitrine.Wire.Health.V1;
using Vitrine.Wire.Rpc;
using Vitrine.Wire.V1;

namespace Vitrine.Transports.Tests.Grpc.Stock;

/// <summary>A gRPC implementation of others, as a program: a client that checks our server, or a server for our client.</summary>
internal sealed class StockProgram : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    private StockProgram(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        process.BeginErrorReadLine();
    }

    public static string Root { get; } = FindRoot();

    /// <summary>The published files.</summary>
    public static string Protos { get; } = Path.Combine(Root, "protos");

    /// <summary>Everything our servers declare, as a file for those who do not read <c>.proto</c>.</summary>
    public static string Descriptors { get; } = WriteDescriptors();

    /// <summary>Starts <c>@grpc/grpc-js</c>. Needs Node and <c>npm ci</c> in <c>web/</c>.</summary>
    public static StockProgram StartJs(params string[] arguments) => Start("node", "grpc_js.cjs", arguments);

    /// <summary>Starts grpcio. Needs Debian's python3-grpcio and python3-protobuf.</summary>
    public static StockProgram StartPython(params string[] arguments) => Start("/usr/bin/python3", "grpc_python.py", arguments);

    /// <summary>Starts one of <c>bench/peers</c>, built when it is not. Needs Debian's Go packages.</summary>
    public static async Task<StockProgram> StartGoAsync(string name, params string[] arguments)
    {
        string folder = Path.Combine(Root, ".vitrine", "peers");
        await using (StockProgram build = Start(Path.Combine(Root, "bench", "peers", "build"), [folder]))
        {
            (string said, int exitCode) = await build.ReadToEndAsync(TimeSpan.FromMinutes(10));
            Assert.True(exitCode == 0, said);
        }

        return Start(Path.Combine(folder, name), arguments);
    }

    /// <summary>The same as a server on a free port: the line it prints first has its address.</summary>
    public static async Task<(StockProgram Program, IPEndPoint EndPoint)> StartGoServerAsync(string name, params string[] arguments)
    {
        StockProgram program = await StartGoAsync(name, ["serve", .. arguments]);
        using JsonDocument ready = JsonDocument.Parse(await program.ReadLineAsync());
        return (program, IPEndPoint.Parse(ready.RootElement.GetProperty("address").GetString()!));
    }

    /// <summary>The next line it prints.</summary>
    public async Task<string> ReadLineAsync() =>
        await _process.StandardOutput.ReadLineAsync().WaitAsync(GrpcHost.Patience) ?? throw new InvalidOperationException($"It ended: {Errors}");

    /// <summary>All it prints, and how it ended.</summary>
    public async Task<(string Output, int ExitCode)> ReadToEndAsync(TimeSpan? patienceMax = null)
    {
        using CancellationTokenSource patience = new(patienceMax ?? TimeSpan.FromMinutes(2));
        string output = await _process.StandardOutput.ReadToEndAsync(patience.Token);
        await _process.WaitForExitAsync(patience.Token);
        return (output + Errors, _process.ExitCode);
    }

    /// <summary>The end of its standard input: programs of bench/peers leave then.</summary>
    public void CloseInput() => _process.StandardInput.Close();

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    private static StockProgram Start(string program, string script, string[] arguments) =>
        Start(program, [Path.Combine(Root, "tests", "Vitrine.Transports.Tests", "Grpc", "Stock", script), .. arguments]);

    private static StockProgram Start(string program, string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NODE_PATH"] = Path.Combine(Root, "web", "node_modules");
        start.Environment["GRPC_ENABLE_FORK_SUPPORT"] = "0";
        return new(Process.Start(start)!);
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Vitrine.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("The tests run inside the repository.");
    }

    private static string WriteDescriptors()
    {
        FileDescriptorSet set = new();
        HashSet<string> seen = [];
        foreach (FileDescriptor file in (FileDescriptor[])[EchoReflection.Descriptor, StatusReflection.Descriptor, HealthReflection.Descriptor,
            Wire.Reflection.V1.ReflectionReflection.Descriptor, Wire.Reflection.V1Alpha.ReflectionReflection.Descriptor])
        {
            Add(file);
        }

        string path = Path.Combine(AppContext.BaseDirectory, "stock.descriptors");
        File.WriteAllBytes(path, set.ToByteArray());
        return path;

        void Add(FileDescriptor file)
        {
            if (seen.Add(file.Name))
            {
                foreach (FileDescriptor dependency in file.Dependencies)
                {
                    Add(dependency);
                }

                set.File.Add(FileDescriptorProto.Parser.ParseFrom(file.SerializedData));
            }
        }
    }
}
