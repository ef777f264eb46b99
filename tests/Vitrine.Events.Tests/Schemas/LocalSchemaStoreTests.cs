using System.Text;
using Google.Protobuf.Reflection;
using Vitrine.Events.Schemas;

namespace Vitrine.Events.Tests.Schemas;

public sealed class LocalSchemaStoreTests : IDisposable
{
    private static readonly FileDescriptor
        s_first = ProtoCompiler.Compile("syntax = \"proto3\"; message M { int32 x = 1; }"),
        s_second = ProtoCompiler.Compile("syntax = \"proto3\"; message M { int32 x = 1; string y = 2; }"),
        s_incompatible = ProtoCompiler.Compile("syntax = \"proto3\"; message M { string x = 1; }");

    private readonly string _folder = Directory.CreateTempSubdirectory("vitrine-schemas-").FullName;

    private string Path => System.IO.Path.Combine(_folder, "schemas.jsonl");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Registered_KeptAcrossOpening()
    {
        using (LocalSchemaStore store = LocalSchemaStore.Open(Path))
        {
            Assert.Equal(1, await store.RegisterAsync("a", s_first));
            Assert.Equal(2, await store.RegisterAsync("a", s_second));
            Assert.Equal(1, await store.RegisterAsync("a", s_first));
            Assert.Equal(2, await store.RegisterAsync("b", s_second)); // the same schema has one number, whoever has it
            Assert.Equal(3, await store.RegisterAsync("c", s_incompatible));
        }

        using LocalSchemaStore again = LocalSchemaStore.Open(Path);
        Assert.Equal(s_second.SerializedData, Google.Protobuf.MessageExtensions.ToByteString((await again.FindAsync(2))!));
        Assert.Null(await again.FindAsync(4));
        Assert.Equal(2, await again.RegisterAsync("b", s_second));
        await Assert.ThrowsAsync<IncompatibleSchemaException>(async () => await again.RegisterAsync("b", s_incompatible));
    }

    [Fact]
    public async Task Incompatible_RefusedAndNothingKept()
    {
        using LocalSchemaStore store = LocalSchemaStore.Open(Path);
        await store.RegisterAsync("a", s_first);
        byte[] before = await File.ReadAllBytesAsync(Path);
        IncompatibleSchemaException refused = await Assert.ThrowsAsync<IncompatibleSchemaException>(async () => await store.RegisterAsync("a", s_incompatible));
        Assert.Equal(SchemaChange.FieldTypeChanged, Assert.Single(refused.Differences).Change);
        Assert.Contains("M/1 x: FieldTypeChanged, int32 became string", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Path));
    }

    [Fact]
    public async Task TornAtEveryByte_TheLinesBeforeAreThere()
    {
        byte[] whole = await WriteTwoAsync();
        int first = Array.IndexOf(whole, (byte)'\n') + 1;
        for (int length = first; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(Path, whole[..length]);
            using LocalSchemaStore torn = LocalSchemaStore.Open(Path);
            Assert.NotNull(await torn.FindAsync(1));
            Assert.Null(await torn.FindAsync(2));
            Assert.Equal(2, await torn.RegisterAsync("a", s_second));
            Assert.Equal(whole, await File.ReadAllBytesAsync(Path));
        }
    }

    [Fact]
    public async Task FlippedAnywhere_SaysTheLineOrIsWhole()
    {
        byte[] whole = await WriteTwoAsync();
        int schemaAt = Encoding.ASCII.GetString(whole).IndexOf("\"schema\"", StringComparison.Ordinal), end = Array.IndexOf(whole, (byte)'\n');
        for (int at = schemaAt; at < end; at++)
        {
            byte[] flipped = [.. whole];
            flipped[at] ^= 4;
            await File.WriteAllBytesAsync(Path, flipped);
            SchemaStoreException damaged = Assert.Throws<SchemaStoreException>(() => LocalSchemaStore.Open(Path));
            Assert.Equal(SchemaStoreFailure.Damaged, damaged.Failure);
            Assert.Contains("line 1", damaged.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void NotToBeOpened_SaysWhy()
    {
        Assert.Equal(SchemaStoreFailure.Failed, Assert.Throws<SchemaStoreException>(() => LocalSchemaStore.Open(_folder)).Failure);
        Assert.Equal(SchemaStoreFailure.Failed, Assert.Throws<SchemaStoreException>(() => LocalSchemaStore.Open(System.IO.Path.Combine(_folder, "no", "file"))).Failure);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("ä")]
    public async Task NoSubject_Refused(string subject)
    {
        using LocalSchemaStore store = LocalSchemaStore.Open(Path);
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.RegisterAsync(subject, s_first));
    }

    [Fact]
    public async Task FullDisk_SaysSoAndGoesOnWhenThereIsRoom()
    {
        using FullStream file = new(Path);
        using LocalSchemaStore store = LocalSchemaStore.Open(file);
        await store.RegisterAsync("a", s_first);
        byte[] before = await File.ReadAllBytesAsync(Path);
        file.RoomBytes = 40;
        SchemaStoreException full = await Assert.ThrowsAsync<SchemaStoreException>(async () => await store.RegisterAsync("a", s_second));
        Assert.Equal(SchemaStoreFailure.Failed, full.Failure);
        Assert.Equal(before, await File.ReadAllBytesAsync(Path));
        Assert.Null(await store.FindAsync(2));
        file.RoomBytes = int.MaxValue;
        Assert.Equal(2, await store.RegisterAsync("a", s_second));
        using LocalSchemaStore again = LocalSchemaStore.Open(Path);
        Assert.NotNull(await again.FindAsync(2));
    }

    private async Task<byte[]> WriteTwoAsync()
    {
        using (LocalSchemaStore store = LocalSchemaStore.Open(Path))
        {
            await store.RegisterAsync("a", s_first);
            await store.RegisterAsync("a", s_second);
        }

        return await File.ReadAllBytesAsync(Path);
    }

    /// <summary>A file on a disk that has no room left.</summary>
    private sealed class FullStream(string path) : FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0)
    {
        public int RoomBytes { get; set; } = int.MaxValue;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            base.Write(buffer[..Math.Min(buffer.Length, RoomBytes)]);
            if (buffer.Length > RoomBytes)
            {
                throw new IOException("No space left on device");
            }
        }
    }
}
