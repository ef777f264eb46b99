using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Vitrine.Lab.Browser;

[JsonSerializable(typeof(JsonObject))]
internal sealed partial class DevToolsJson : JsonSerializerContext;
