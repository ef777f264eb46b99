using System.Diagnostics;
using System.Text;
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

    /// <summary>The next line it prints.</summary>
    public async Task<string> ReadLineAsync() =>
        await _process.StandardOutput.ReadLineAsync().WaitAsync(GrpcHost.Patience) ?? throw new InvalidOperationException($"It ended: {Errors}");

    /// <summary>All it prints, and how it ended.</summary>
    public async Task<(string Output, int ExitCode)> ReadToEndAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(2));
        string output = await _process.StandardOutput.ReadToEndAsync(patience.Token);
        await _process.WaitForExitAsync(patience.Token);
        return (output + Errors, _process.ExitCode);
    }

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

    private static StockProgram Start(string program, string script, string[] arguments)
    {
        ProcessStartInfo start = new(program, [Path.Combine(Root, "tests", "Vitrine.Transports.Tests", "Grpc", "Stock", script), .. arguments])
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
