using Google.Protobuf.Reflection;
using Vitrine.Transports.Calls;
using Vitrine.Wire.Reflection.V1;
using RequestCase = Vitrine.Wire.Reflection.V1.ServerReflectionRequest.MessageRequestOneofCase;

namespace Vitrine.Transports.Grpc;

/// <summary><c>grpc.reflection.v1.ServerReflection</c> and its <c>v1alpha</c>: tells clients without <c>.proto</c> files what is here.
/// Needs no grant: the files are published anyway.</summary>
/// <remarks>Both versions have the same messages but for the name of their package. Any thread.</remarks>
public sealed class ReflectionService
{
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);
    private readonly ListServiceResponse _services = new();

    /// <summary>Makes it for the methods of a server; it tells of itself as well.</summary>
    public ReflectionService(IEnumerable<CallBinding> bindings)
    {
        ArgumentNullException.ThrowIfNull(bindings);
        Bindings =
        [
            new(new(ReflectionReflection.Descriptor.Services[0].Methods[0]), AnswerAsync),
            new(new(Wire.Reflection.V1Alpha.ReflectionReflection.Descriptor.Services[0].Methods[0]), AnswerAsync),
        ];
        foreach (ServiceDescriptor service in bindings.Concat(Bindings).Select(binding => binding.Method.Descriptor.Service).DistinctBy(service => service.FullName))
        {
            _services.Service.Add(new ServiceResponse { Name = service.FullName });
            Add(service.File);
        }
    }

    /// <summary>For a <see cref="CallTable"/>.</summary>
    public IReadOnlyList<CallBinding> Bindings { get; }

    private void Add(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (FileDescriptor dependency in file.Dependencies)
        {
            Add(dependency);
        }

        foreach (ServiceDescriptor service in file.Services)
        {
            _symbols.TryAdd(service.FullName, file);
            foreach (MethodDescriptor method in service.Methods)
            {
                _symbols.TryAdd(method.FullName, file);
            }
        }

        foreach (MessageDescriptor message in file.MessageTypes)
        {
            Add(message);
        }

        foreach (EnumDescriptor enumeration in file.EnumTypes)
        {
            Add(enumeration);
        }
    }

    private void Add(MessageDescriptor message)
    {
        _symbols.TryAdd(message.FullName, message.File);
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
        {
            _symbols.TryAdd(field.FullName, message.File);
        }

        foreach (OneofDescriptor choice in message.Oneofs)
        {
            _symbols.TryAdd(choice.FullName, message.File);
        }

        foreach (MessageDescriptor nested in message.NestedTypes)
        {
            Add(nested);
        }

        foreach (EnumDescriptor enumeration in message.EnumTypes)
        {
            Add(enumeration);
        }
    }

    private void Add(EnumDescriptor enumeration)
    {
        _symbols.TryAdd(enumeration.FullName, enumeration.File);
        foreach (EnumValueDescriptor value in enumeration.Values)
        {
            _symbols.TryAdd(value.FullName, enumeration.File);
        }
    }

    private async ValueTask AnswerAsync(ServerCall call)
    {
        while (true)
        {
            ServerReflectionRequest request = new(); // kept by the answer
            if (!await call.ReadAsync(request))
            {
                return;
            }

            await call.WriteAsync(Answer(request));
        }
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        ServerReflectionResponse response = new() { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case RequestCase.ListServices:
                response.ListServicesResponse = _services;
                break;
            case RequestCase.FileByFilename when _files.TryGetValue(request.FileByFilename, out FileDescriptor? file):
                response.FileDescriptorResponse = WithDependencies(file);
                break;
            case RequestCase.FileContainingSymbol when _symbols.TryGetValue(request.FileContainingSymbol, out FileDescriptor? file):
                response.FileDescriptorResponse = WithDependencies(file);
                break;
            case RequestCase.AllExtensionNumbersOfType when _symbols.ContainsKey(request.AllExtensionNumbersOfType):
                response.AllExtensionNumbersResponse = new() { BaseTypeName = request.AllExtensionNumbersOfType }; // proto3: none of ours has any
                break;
            case RequestCase.None:
                response.ErrorResponse = new() { ErrorCode = (int)CallStatusCode.InvalidArgument, ErrorMessage = "The request asks for nothing." };
                break;
            default:
                response.ErrorResponse = new() { ErrorCode = (int)CallStatusCode.NotFound, ErrorMessage = "It is not here." };
                break;
        }

        return response;
    }

    private static FileDescriptorResponse WithDependencies(FileDescriptor file)
    {
        FileDescriptorResponse response = new();
        HashSet<string> seen = [];
        Append(file);
        return response;

        void Append(FileDescriptor next)
        {
            if (seen.Add(next.Name))
            {
                response.FileDescriptorProto.Add(next.SerializedData);
                foreach (FileDescriptor dependency in next.Dependencies)
                {
                    Append(dependency);
                }
            }
        }
    }
}
