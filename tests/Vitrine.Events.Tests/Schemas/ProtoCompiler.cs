using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Vitrine.Events.Tests.Schemas;

/// <summary>Protobuf's own compiler.</summary>
internal static class ProtoCompiler
{
    private static readonly string s_tools = typeof(ProtoCompiler).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "GrpcTools").Value!;

    /// <summary>The schema of a file with the given text, and of what it imports, the file last.</summary>
    public static FileDescriptor Compile(string text)
    {
        string folder = Directory.CreateTempSubdirectory("vitrine-proto-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "schema.proto"), text);
            string platform = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "linux_arm64" : "linux_x64";
            string set = Path.Combine(folder, "set");
            using Process compiler = Process.Start(new ProcessStartInfo(Path.Combine(s_tools, "tools", platform, "protoc"))
            {
                ArgumentList = { "--proto_path", folder, "--proto_path", Path.Combine(s_tools, "build", "native", "include"), "--include_imports", "--descriptor_set_out", set, "schema.proto" },
                RedirectStandardError = true,
            })!;
            string errors = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            Assert.True(compiler.ExitCode == 0, errors);

            // FileDescriptorSet has one field, the files.
            List<ByteString> files = [];
            var reader = new CodedInputStream(File.ReadAllBytes(set));
            while (reader.ReadTag() != 0)
            {
                files.Add(reader.ReadBytes());
            }

            return FileDescriptor.BuildFromByteStrings(files)[^1];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The same, as the compiler writes it.</summary>
    public static FileDescriptorProto CompileProto(string text) => FileDescriptorProto.Parser.ParseFrom(Compile(text).SerializedData);
}
