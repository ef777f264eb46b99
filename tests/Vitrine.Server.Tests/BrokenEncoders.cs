using Vitrine.Codecs.Regions;
using Vitrine.Frames;

namespace Vitrine.Server.Tests;

/// <summary>Encoders that cannot be had until they are mended. Thread-safe.</summary>
internal sealed class BrokenEncoders(string reason) : IVideoEncoderSource, IDisposable
{
    private readonly H264EncoderSource _machine = new();
    private int _asked;
    private volatile bool _isMended;

    /// <summary>How often one was asked for.</summary>
    public int Asked => Volatile.Read(ref _asked);

    public void Mend() => _isMended = true;

    public IVideoEncoder? Rent(DeviceSize size, int framesPerSecondMax, int bitsPerSecondMax, out string why)
    {
        Interlocked.Increment(ref _asked);
        why = reason;
        return _isMended ? _machine.Rent(size, framesPerSecondMax, bitsPerSecondMax, out why) : null;
    }

    public void Return(IVideoEncoder encoder) => _machine.Return(encoder);

    public void Dispose() => _machine.Dispose();
}
