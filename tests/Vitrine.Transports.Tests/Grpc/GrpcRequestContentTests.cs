using Vitrine.Transports.Grpc;

namespace Vitrine.Transports.Tests.Grpc;

public sealed class GrpcRequestContentTests
{
    [Fact]
    public async Task AnswerBeforeTheFirstFlushEnds_RequestsCanBeWritten()
    {
        using GrpcRequestContent content = new();
        using GatedStream stream = new();
        Task body = content.CopyToAsync(stream);
        await content.FollowAsync(Task.CompletedTask);
        stream.Flushed.SetResult();
        Assert.Same(stream, await content.Opened);
        content.Complete();
        await body;
    }

    [Fact]
    public async Task FailureBeforeTheFirstFlushEnds_OpeningEnds()
    {
        using GrpcRequestContent content = new();
        await content.FollowAsync(Task.FromException(new HttpRequestException()));
        await Assert.ThrowsAsync<TaskCanceledException>(() => content.Opened);
    }

    [Fact]
    public async Task FirstFlushFailsAfterTheAnswer_OpeningEnds()
    {
        using GrpcRequestContent content = new();
        using GatedStream stream = new();
        Task body = content.CopyToAsync(stream);
        await content.FollowAsync(Task.CompletedTask);
        stream.Flushed.SetException(new IOException());
        await Assert.ThrowsAsync<TaskCanceledException>(() => content.Opened);
        await Assert.ThrowsAnyAsync<Exception>(() => body);
    }

    /// <summary>Its flush ends when the test says so.</summary>
    private sealed class GatedStream : MemoryStream
    {
        public TaskCompletionSource Flushed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override Task FlushAsync(CancellationToken cancellationToken) => Flushed.Task;
    }
}
