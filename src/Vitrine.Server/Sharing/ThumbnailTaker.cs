using Vitrine.Imaging;

namespace Vitrine.Server.Sharing;

/// <summary>Takes a small picture of what is shared, time and again, and tells it as an event: what walls of many hosts show.</summary>
internal sealed class ThumbnailTaker : IAsyncDisposable
{
    private const int SidePixelsMax = 320;

    // What is not there for so long is not there: the next time comes.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly ShareSession _share;
    private readonly TimeSpan _interval;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public ThumbnailTaker(ShareSession share, TimeSpan interval)
    {
        (_share, _interval) = (share, interval);
        _running = Task.Run(RunAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using PeriodicTimer timer = new(_interval, _share.Time);
        try
        {
            do
            {
                await TakeAsync();
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Told to end.
        }
        catch (DllNotFoundException missing)
        {
            _share.Events.Error("thumbnails", missing.Message);
        }
    }

    private async Task TakeAsync()
    {
        using CancellationTokenSource late = new(s_patience, _share.Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, _stop.Token);
        try
        {
            if (await _share.TakePictureAsync(null, either.Token) is { Status: PictureStatus.Taken, Picture: { } picture })
            {
                Picture small = PictureScale.Shrink(picture, SidePixelsMax);
                _share.Events.Thumbnail(PngFile.Encode(small.Pixels, small.Format), small.Format.Size);
            }
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            // There is nothing to see now.
        }
    }
}
