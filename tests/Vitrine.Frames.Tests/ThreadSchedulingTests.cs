namespace Vitrine.Frames.Tests;

public sealed class ThreadSchedulingTests
{
    [Fact]
    public void Asked_AnswersAndCanBeTakenBack() => OnItsOwnThread(() =>
    {
        ThreadScheduling.MinimizeTimerSlack();
        KernelGrant grant = ThreadScheduling.TryMakeRealTime();
        Assert.NotEqual(KernelGrant.NotAsked, grant);
        string stat = File.ReadAllText("/proc/thread-self/stat");
        string policy = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[38]; // field 41 of proc(5)
        Assert.Equal(grant == KernelGrant.Granted ? "1" : "0", policy);
        ThreadScheduling.MakeOrdinary();
        stat = File.ReadAllText("/proc/thread-self/stat");
        Assert.Equal("0", stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[38]);
    });

    [Fact]
    public void Bound_RunsThereOnly() => OnItsOwnThread(() =>
    {
        string Allowed() => File.ReadLines("/proc/thread-self/status").First(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))[18..].Trim();
        int first = int.Parse(Allowed().Split(',', '-')[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(ThreadScheduling.TryBind([first]));
        Assert.Equal(first.ToString(System.Globalization.CultureInfo.InvariantCulture), Allowed());
        Assert.False(ThreadScheduling.TryBind([1023]));
    });

    [Fact]
    public void WholeProcess_NoneOfThemThere_NothingChanges()
    {
        string[] before = Allowed();
        Assert.False(ThreadScheduling.TryBindProcess(1023));
        Assert.Equal(before, Allowed());

        static string[] Allowed() => [.. File.ReadLines("/proc/self/status").Where(line => line.StartsWith("Cpus_allowed", StringComparison.Ordinal))];
    }

    [Fact]
    public void OutOfRange_Refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ThreadScheduling.TryMakeRealTime(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ThreadScheduling.TryMakeRealTime(100));
        Assert.Throws<ArgumentOutOfRangeException>(() => ThreadScheduling.TryBind([1024]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ThreadScheduling.TryBind([-1]));
    }

    private static void OnItsOwnThread(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                action();
            }
            catch (Exception exception) // carried to the test's own thread
            {
                failure = exception;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new AggregateException(failure);
        }
    }
}
