using Google.Protobuf.WellKnownTypes;
using Vitrine.Events.Hosts;
using Vitrine.Transports.Calls;
using Vitrine.Wire.V1;

namespace Vitrine.Server.Service;

/// <summary>Adds events up to figures of steps of time.</summary>
/// <remarks>One thread at a time. Holds so many steps, and of each what its hosts said of their viewers.</remarks>
internal sealed class EventFigures
{
    public const int StepsMax = 1000;

    /// <summary>How long a step may be, seconds.</summary>
    private const int StepSecondsMax = 86_400;

    /// <summary>From here on figures are those of whole minutes.</summary>
    private const int MinuteSeconds = 60;

    /// <summary>How many steps there are at most when nobody says how long they are.</summary>
    private const int StepsNice = 120;

    private static readonly int[] s_stepsNice = [1, 2, 5, 10, 60, 120, 300, 600, 1200, 3600, 7200, 21_600, StepSecondsMax]; // seconds

    /// <summary>Hosts of steps that are held: 1,000 hosts in 250 steps, some 20 MB.</summary>
    private const int HostStepsMax = 250_000;

    private const int HostsMax = 10_000, HostsToldMax = 1000, AlertsMax = 10_000, AlertsToldMax = 100;

    private readonly SortedDictionary<long, Step> _steps = [];
    private readonly Dictionary<string, EventSource> _hosts = [];
    private readonly Dictionary<(string Host, Alert.Types.Kind Kind, ulong Viewer), OpenAlert> _alerts = [];
    private readonly TimeProvider _time;
    private readonly string _host;
    private readonly long _first; // step
    private readonly int _stepSeconds, _stepsMax;
    private int _hostSteps;

    /// <param name="query">As it came.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="CallException"><see cref="CallStatusCode.InvalidArgument"/>: it asks for what there is not.</exception>
    public EventFigures(FiguresQuery query, TimeProvider time)
    {
        (_time, _host) = (time, query.Host);
        DateTimeOffset now = time.GetUtcNow();
        Since = query.Since.Length > 0 ? EventSearch.ParseTime(query.Since, time) : now.AddHours(-1);
        DateTimeOffset until = query.Until.Length > 0 ? EventSearch.ParseTime(query.Until, time) : now;
        double seconds = ((until < now ? until : now) - Since).TotalSeconds;
        if (seconds < 1)
        {
            throw new CallException(CallStatusCode.InvalidArgument, "since is before until, and not to come.");
        }

        _stepSeconds = query.StepSeconds > 0 ? (int)Math.Min(query.StepSeconds, int.MaxValue) : s_stepsNice.FirstOrDefault(step => seconds <= (double)step * StepsNice, StepSecondsMax);
        if (_stepSeconds > StepSecondsMax || (_stepSeconds >= MinuteSeconds && _stepSeconds % MinuteSeconds != 0) || seconds > (double)_stepSeconds * StepsMax)
        {
            throw new CallException(
                CallStatusCode.InvalidArgument, $"step_seconds is 1 to 59, or a number of minutes up to {StepSecondsMax}, and there are at most {StepsMax} steps.");
        }

        _first = StepOf(Since);
        _stepsMax = (int)(seconds / _stepSeconds) + 2; // parts of one at both ends
        Topics = [_stepSeconds < MinuteSeconds ? EventTopics.Statistics : EventTopics.Minutes, EventTopics.Alerts];
    }

    /// <summary>Where to begin.</summary>
    public DateTimeOffset Since { get; }

    /// <summary>What is to be read.</summary>
    public IReadOnlyList<string> Topics { get; }

    /// <summary>Adds an event.</summary>
    /// <param name="happened">What happened.</param>
    /// <param name="taken">When the log took it.</param>
    /// <exception cref="CallException"><see cref="CallStatusCode.OutOfRange"/>: there are too many hosts for so many steps.</exception>
    public void Add(Event happened, DateTimeOffset taken)
    {
        EventSource? source = KeptEvents.HostOf(happened);
        if (source is null || taken < Since || (_host.Length > 0 && source.HostId != _host && source.HostName != _host))
        {
            return;
        }

        if (_hosts.Count < HostsMax || _hosts.ContainsKey(source.HostId))
        {
            _hosts[source.HostId] = source;
        }

        switch (happened.WhatCase)
        {
            case Event.WhatOneofCase.SharingStatistics when FindStep(taken) is { } step:
                SharingStatistics statistics = happened.SharingStatistics;
                CountViewers(step, source.HostId, statistics.ViewerCount);
                step.Add(statistics.FramesSent, statistics.BytesSent);
                foreach (ViewerStatistics viewer in statistics.Viewers)
                {
                    LatencyCounts.Add(step.Latency, viewer.Latency);
                }

                break;
            case Event.WhatOneofCase.MinuteSummary when happened.MinuteSummary is { Minute: { } start } minute && FindStep(start.ToDateTimeOffset()) is { } step:
                CountViewers(step, source.HostId, minute.ViewersMax);
                step.Add(minute.FramesSent, minute.BytesSent);
                LatencyCounts.Add(step.Latency, minute.Latency);
                break;
            case Event.WhatOneofCase.AlertRaised when happened.AlertRaised is { Alert: { } alert } raised:
                if (FindStep(taken) is { } of)
                {
                    of.Alert();
                }

                if (_alerts.Count < AlertsMax)
                {
                    _alerts[(source.HostId, alert.Kind, alert.ViewerId)] = new() { Since = Timestamp.FromDateTimeOffset(taken), Alert = alert, Message = raised.Message };
                }

                break;
            case Event.WhatOneofCase.AlertCleared when happened.AlertCleared?.Alert is { } alert:
                _alerts.Remove((source.HostId, alert.Kind, alert.ViewerId));
                break;
        }
    }

    /// <summary>What has changed since the last time.</summary>
    public Figures Take()
    {
        Figures figures = new()
        {
            Now = Timestamp.FromDateTimeOffset(_time.GetUtcNow()),
            StepSeconds = (uint)_stepSeconds,
            HostCount = (uint)_hosts.Count,
            AlertCount = (uint)_alerts.Count,
        };
        foreach ((long number, Step step) in _steps)
        {
            if (step.TryTake(out FigureStep told))
            {
                told.Start = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeSeconds(number * _stepSeconds));
                figures.Steps.Add(told);
            }
        }

        figures.Hosts.AddRange(_hosts.Values.OrderBy(host => host.HostName, StringComparer.OrdinalIgnoreCase).Take(HostsToldMax));
        figures.Alerts.AddRange(_alerts.Values.OrderByDescending(alert => alert.Since).Take(AlertsToldMax));
        return figures;
    }

    private long StepOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / _stepSeconds;

    private Step? FindStep(DateTimeOffset time)
    {
        long number = StepOf(time);
        if (number < _first || time > _time.GetUtcNow().AddSeconds(_stepSeconds))
        {
            return null; // before what was asked for, or of a clock that goes ahead
        }

        if (!_steps.TryGetValue(number, out Step? step))
        {
            if (_steps.Count >= _stepsMax)
            {
                (long oldest, Step forgotten) = _steps.First();
                if (number < oldest)
                {
                    return null;
                }

                _hostSteps -= forgotten.Viewers.Count;
                _steps.Remove(oldest);
            }

            _steps[number] = step = new();
        }

        return step;
    }

    private void CountViewers(Step step, string host, uint viewers)
    {
        if (step.CountViewers(host, viewers) && ++_hostSteps > HostStepsMax)
        {
            throw new CallException(CallStatusCode.OutOfRange, "There are more hosts than that many steps can be made of. Ask for less time, longer steps, or one host.");
        }
    }

    private sealed class Step
    {
        private uint _samples, _alerts, _viewers;
        private ulong _framesSent, _bytesSent;
        private bool _isChanged;

        public Dictionary<string, uint> Viewers { get; } = [];

        public LatencyBuckets Latency { get; } = new();

        public void Add(ulong framesSent, ulong bytesSent)
        {
            _samples++;
            _framesSent += framesSent;
            _bytesSent += bytesSent;
            _isChanged = true;
        }

        public void Alert()
        {
            _alerts++;
            _isChanged = true;
        }

        /// <returns>Whether nothing was held of that host.</returns>
        public bool CountViewers(string host, uint viewers)
        {
            bool isNew = !Viewers.TryGetValue(host, out uint most);
            if (isNew || viewers > most)
            {
                Viewers[host] = viewers;
                _viewers += viewers - most;
            }

            return isNew;
        }

        public bool TryTake(out FigureStep step)
        {
            bool isChanged = _isChanged;
            _isChanged = false;
            step = !isChanged ? new() : new()
            {
                Samples = _samples,
                Viewers = _viewers,
                FramesSent = _framesSent,
                BytesSent = _bytesSent,
                FramesTimed = Latency.Counts.Values.Aggregate(0ul, (sum, count) => sum + count),
                LatencyP50Milliseconds = LatencyCounts.PercentileMs(Latency, 0.5),
                LatencyP99Milliseconds = LatencyCounts.PercentileMs(Latency, 0.99),
                AlertsRaised = _alerts,
            };
            return isChanged;
        }
    }
}
