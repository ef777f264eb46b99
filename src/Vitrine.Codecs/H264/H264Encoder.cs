using Vitrine.Frames;
using Vitrine.Imaging;
using Vitrine.Wire;

namespace Vitrine.Codecs.H264;

/// <summary>What became of a picture.</summary>
public enum EncodeStatus
{
    /// <summary>There is an access unit.</summary>
    Encoded,

    /// <summary>There is none, and will be none from this encoder any more: <see cref="H264Encoder.FailureReason"/>.</summary>
    Failed,
}

/// <summary>H.264 without delay: each picture becomes its access unit at once, only the picture before is referred to, and key frames are
/// made when they are asked for. The stream says its colours: BT.601's matrix in limited range, BT.709's primaries.</summary>
/// <remarks>Used by one thread at a time. Allocates nothing a picture.</remarks>
public sealed class H264Encoder : IDisposable
{
    // A pause says nothing of the pace, and the pace is followed slowly enough that a single late picture does not matter.
    private const long PauseNs = 500_000_000;
    private const double PaceShare = 1.0 / 8, PaceStep = 0.15, FramesPerSecondMin = 4;
    private readonly EncoderBackEnd _backEnd;
    private readonly H264EncoderOptions _options;
    private bool _needsKeyFrame = true;
    private bool _isDisposed;
    private long? _lastPtsNs;
    private double _framesPerSecond;
    private double _framesPerSecondSet;

    private H264Encoder(EncoderBackEnd backEnd, H264EncoderOptions options)
    {
        (_backEnd, _options, BitsPerSecondMax) = (backEnd, options, options.BitsPerSecondMax);
        _framesPerSecond = _framesPerSecondSet = options.FramesPerSecondMax;
        Clear();
    }

    /// <summary>«libx264», «h264_nvenc», …: one of <see cref="H264Support.EncoderNames"/>.</summary>
    public string Name => _backEnd.Name;

    /// <summary>Of the coded picture.</summary>
    public DeviceSize Size => _options.Size;

    /// <summary>What it was opened with; <see cref="BitsPerSecondMax"/> may have changed since.</summary>
    public H264EncoderOptions Options => _options;

    /// <summary>Most bits a second now.</summary>
    public int BitsPerSecondMax { get; private set; }

    /// <summary>Why it failed; empty until then.</summary>
    public string FailureReason { get; private set; } = "";

    /// <summary>The encoder's own picture, <see cref="YuvLayout.I420"/> or <see cref="YuvLayout.Nv12"/>, to convert straight into. It keeps its content from picture to picture, so
    /// that only what changed needs to be written; black at first. Valid until the next <see cref="TryEncode"/>: ask again after it.</summary>
    public YuvPicture Input
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _backEnd.Input;
        }
    }

    /// <summary>Opens an encoder. Takes milliseconds: see <see cref="H264EncoderPool"/>.</summary>
    /// <param name="options">What it is to make.</param>
    /// <param name="reason">Which encoder it is and why; or why there is none.</param>
    /// <returns>Null when there is none.</returns>
    public static H264Encoder? TryCreate(H264EncoderOptions options, out string reason)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Fault() is { } fault)
        {
            reason = fault;
            return null;
        }

        List<(string Name, string Why)> refusals = [];
        foreach (string name in options.Encoder is { } wanted ? [wanted] : H264Support.EncoderNames)
        {
            string answer = options.Encoder is null ? H264Support.FaultOfHardware(name) ?? "" : "";
            EncoderBackEnd? backEnd = answer.Length == 0 ? H264Support.TryOpenEncoder(name, options, out answer) : null;
            if (backEnd is not null)
            {
                string why = refusals.Count == 0 ? "" : $" ({Describe(refusals)})";
                reason = $"{name}: {answer}{why}";
                return new(backEnd, options);
            }

            refusals.Add((name, answer));
        }

        reason = Describe(refusals);
        return null;
    }

    /// <summary>What several of them lack is said once.</summary>
    internal static string Describe(IEnumerable<(string Name, string Why)> refusals) => string.Join(
        "; ", refusals.GroupBy(refusal => refusal.Why).Select(same => $"{string.Join(", ", same.Select(refusal => refusal.Name))}: {same.Key}"));

    /// <summary>Makes one of a back end, for tests.</summary>
    internal static H264Encoder Create(EncoderBackEnd backEnd, H264EncoderOptions options) => new(backEnd, options);

    /// <summary>Codes <see cref="Input"/>.</summary>
    /// <param name="ptsNs">When the picture was; only its distance from the one before matters, and that only for the rate.</param>
    /// <param name="forceKeyFrame">Make a picture that decoding can begin at. The first one is such a picture in any case.</param>
    /// <param name="accessUnit">Annex B, at most <see cref="VideoPacket.DataBytesMax"/> bytes; parameter sets included in a key frame.
    /// Borrowed until the next call.</param>
    /// <param name="isKeyFrame">Whether decoding can begin here.</param>
    /// <returns>After <see cref="EncodeStatus.Failed"/> every call fails: dispose of the encoder.</returns>
    public EncodeStatus TryEncode(long ptsNs, bool forceKeyFrame, out ReadOnlySpan<byte> accessUnit, out bool isKeyFrame)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (FailureReason.Length > 0)
        {
            accessUnit = default;
            isKeyFrame = false;
            return EncodeStatus.Failed;
        }

        FollowPace(ptsNs);
        bool wantsKeyFrame = forceKeyFrame || _needsKeyFrame;
        if (!_backEnd.TryEncode(wantsKeyFrame, out accessUnit, out isKeyFrame, out string failure))
        {
            FailureReason = failure;
        }
        else if (wantsKeyFrame && !isKeyFrame)
        {
            FailureReason = $"{Name} made no key frame when it was asked for one";
        }
        else if (accessUnit.Length > VideoPacket.DataBytesMax)
        {
            FailureReason = $"{Name} made {accessUnit.Length} bytes of a picture: more than the {VideoPacket.DataBytesMax} that a packet holds";
        }
        else
        {
            _needsKeyFrame = false;
            return EncodeStatus.Encoded;
        }

        accessUnit = default;
        isKeyFrame = false;
        return EncodeStatus.Failed;
    }

    /// <summary>Changes the rate from the next picture on, without a key frame.</summary>
    /// <param name="bitsPerSecond">Taken to the nearest that is allowed: see <see cref="H264EncoderOptions.BitsPerSecondMax"/>.</param>
    /// <returns>False when this encoder cannot: open another one.</returns>
    public bool TrySetBitsPerSecondMax(int bitsPerSecond)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int within = Math.Clamp(bitsPerSecond, H264EncoderOptions.RateBitsMin, H264EncoderOptions.RateBitsMax);
        if (within != BitsPerSecondMax && !_backEnd.TrySetRate(within, _framesPerSecondSet))
        {
            return false;
        }

        BitsPerSecondMax = within;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _backEnd.Dispose();
        }
    }

    /// <summary>For another user: nothing of the last one's pictures is left, and the first picture is a key frame.</summary>
    internal void Restart()
    {
        _needsKeyFrame = true;
        _lastPtsNs = null;
        Clear();
    }

    private void Clear()
    {
        YuvPicture input = _backEnd.Input;
        input.Y.Fill(16);
        input.U.Fill(128);
        input.V.Fill(128);
    }

    // Encoders count pictures: to them each lasts 1/FramesPerSecondMax. Where fewer come, each may be larger.
    private void FollowPace(long ptsNs)
    {
        long intervalNs = ptsNs - (_lastPtsNs ?? ptsNs);
        _lastPtsNs = ptsNs;
        if (intervalNs is <= 0 or > PauseNs)
        {
            return;
        }

        double now = Math.Clamp(1e9 / intervalNs, FramesPerSecondMin, _options.FramesPerSecondMax);
        _framesPerSecond = 1 / (((1 - PaceShare) / _framesPerSecond) + (PaceShare / now));
        if (Math.Abs(_framesPerSecond - _framesPerSecondSet) > PaceStep * _framesPerSecondSet && _backEnd.TrySetRate(BitsPerSecondMax, _framesPerSecond))
        {
            _framesPerSecondSet = _framesPerSecond;
        }
    }
}
