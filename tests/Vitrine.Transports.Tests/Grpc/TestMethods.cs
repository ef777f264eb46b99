using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Vitrine.Transports.Tests.Grpc;

/// <summary>Methods of a service <c>test.Test</c> that no file declares.</summary>
internal static class TestMethods
{
    private static readonly ServiceDescriptor s_service = Build();

    public static MethodDescriptor Unary => s_service.FindMethodByName("Unary");

    /// <summary>Unary, and may happen twice.</summary>
    public static MethodDescriptor Repeatable => s_service.FindMethodByName("Repeatable");

    public static MethodDescriptor Duplex => s_service.FindMethodByName("Duplex");

    private static ServiceDescriptor Build()
    {
        FileDescriptorProto file = new()
        {
            Name = "test.proto",
            Package = "test",
            Syntax = "proto3",
            MessageType = { new DescriptorProto { Name = "Nothing" } },
            Service =
            {
                new ServiceDescriptorProto
                {
                    Name = "Test",
                    Method =
                    {
                        new MethodDescriptorProto { Name = "Unary", InputType = ".test.Nothing", OutputType = ".test.Nothing" },
                        new MethodDescriptorProto
                        {
                            Name = "Repeatable", InputType = ".test.Nothing", OutputType = ".test.Nothing",
                            Options = new() { IdempotencyLevel = MethodOptions.Types.IdempotencyLevel.Idempotent },
                        },
                        new MethodDescriptorProto { Name = "Duplex", InputType = ".test.Nothing", OutputType = ".test.Nothing", ClientStreaming = true, ServerStreaming = true },
                    },
                },
            },
        };
        return FileDescriptor.BuildFromByteStrings([file.ToByteString()])[0].Services[0];
    }
}
