using System.Net;
using System.Security.Cryptography.X509Certificates;
using Vitrine.Server.Access;
using Vitrine.Wire;

namespace Vitrine.Server.Tests.Access;

public sealed class AccessControlTests
{
    [Fact]
    public void ControlIsNotAskedFor_OnlyViewIsGranted()
    {
        AccessControl access = new(new());
        Assert.Equal(ViewerGrants.View, access.Check(access.ViewToken));
        Assert.Null(access.ControlToken);
        Assert.Null(access.AdministerToken);
    }

    [Fact]
    public void AllAreAskedFor_EachTokenGrantsItsOwn()
    {
        AccessControl access = new(new() { Control = true, Administer = true });
        Assert.Equal(ViewerGrants.View, access.Check(access.ViewToken));
        Assert.Equal(ViewerGrants.View | ViewerGrants.Control, access.Check(access.ControlToken));
        Assert.Equal(ViewerGrants.View | ViewerGrants.Control | ViewerGrants.Administer, access.Check(access.AdministerToken));
    }

    [Fact]
    public void OtherText_GrantsNothing()
    {
        AccessControl access = new(new());
        Assert.Equal(ViewerGrants.None, access.Check(null));
        Assert.Equal(ViewerGrants.None, access.Check(""));
        Assert.Equal(ViewerGrants.None, access.Check(access.ViewToken[..^1]));
        Assert.Equal(ViewerGrants.None, access.Check(access.ViewToken + "="));
        Assert.Equal(ViewerGrants.None, access.Check(new string('x', 100_000)));
    }

    [Fact]
    public void TokenIsGiven_ItIsTheOne()
    {
        string token = new('a', 22);
        Assert.Equal(ViewerGrants.View, new AccessControl(new() { Token = token }).Check(token));
        Assert.NotEqual(new AccessControl(new()).ViewToken, new AccessControl(new()).ViewToken);
    }
}

public sealed class FailureLimiterTests
{
    [Fact]
    public void FailuresWithinAMinute_LimitedThenForgotten()
    {
        ManualTime time = new();
        FailureLimiter limiter = new(time);
        IPAddress address = IPAddress.Parse("198.51.100.7");
        for (int i = 0; i < FailureLimiter.FailuresMax; i++)
        {
            Assert.Equal(TimeSpan.Zero, limiter.Fail(address));
        }

        time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(40, limiter.Fail(address).TotalSeconds, 3);
        Assert.Equal(TimeSpan.Zero, limiter.Fail(IPAddress.Parse("198.51.100.8")));
        time.Advance(TimeSpan.FromSeconds(41));
        Assert.Equal(TimeSpan.Zero, limiter.Fail(address));
    }

    [Fact]
    public void ManyAddresses_TableIsBounded()
    {
        ManualTime time = new();
        FailureLimiter limiter = new(time);
        for (int i = 0; i < 5_000; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            limiter.Fail(new IPAddress(BitConverter.GetBytes(0x0A000000 + i)));
        }

        Assert.Equal(FailureLimiter.AddressesMax, limiter.Count);
    }

    [Fact]
    public void AddressesOfOneCustomer_CountTogether()
    {
        FailureLimiter limiter = new(new ManualTime());
        for (int i = 0; i < FailureLimiter.FailuresMax; i++)
        {
            limiter.Fail(IPAddress.Parse($"2001:db8:1:2::{i + 1:x}"));
        }

        Assert.NotEqual(TimeSpan.Zero, limiter.Fail(IPAddress.Parse("2001:db8:1:2:ffff::1")));
        Assert.Equal(TimeSpan.Zero, limiter.Fail(IPAddress.Parse("2001:db8:1:3::1")));
        limiter.Fail(IPAddress.Parse("::ffff:192.0.2.1"));
        limiter.Fail(IPAddress.Parse("192.0.2.1"));
        Assert.Equal(3, limiter.Count); // two networks and one IPv4 address in both its forms
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks = 12_345;

        // An odd frequency exposes code that takes time stamps for ticks of 100 ns.
        public override long TimestampFrequency => 3_000_000;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += (long)(time.TotalSeconds * TimestampFrequency);
    }
}

public sealed class HostCertificateTests
{
    [Fact]
    public void FirstUse_IsKeptForThisUserAloneAndUsedAgain()
    {
        using TemporaryFolder folder = new();
        ServerOptions options = new() { Listen = IPAddress.Any, ConfigDirectory = Path.Combine(folder.Path, "vitrine") };
        using X509Certificate2 first = HostCertificate.Load(options, TimeProvider.System);
        using X509Certificate2 second = HostCertificate.Load(options, TimeProvider.System);
        Assert.Equal(HostCertificate.Fingerprint(first), HostCertificate.Fingerprint(second));
        Assert.Matches("^([0-9A-F]{2}:){31}[0-9A-F]{2}$", HostCertificate.Fingerprint(first));
        Assert.True(first.HasPrivateKey);
        string file = Assert.Single(Directory.GetFiles(options.ConfigDirectory));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal("1.2.840.10045.2.1", first.PublicKey.Oid.Value); // elliptic curve
    }

    [Fact]
    public void FirstUseByManyAtOnce_AllShowTheSameOne()
    {
        using TemporaryFolder folder = new();
        ServerOptions options = new() { ConfigDirectory = folder.Path };
        string[] fingerprints = new string[8];
        using Barrier together = new(fingerprints.Length);
        Thread[] starts = [.. Enumerable.Range(0, fingerprints.Length).Select(i => new Thread(() =>
        {
            together.SignalAndWait();
            using X509Certificate2 certificate = HostCertificate.Load(options, TimeProvider.System);
            fingerprints[i] = HostCertificate.Fingerprint(certificate);
        }))];
        Array.ForEach(starts, start => start.Start());
        Array.ForEach(starts, start => start.Join());
        Assert.Single(fingerprints.Distinct());
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void KeptOneExpiresSoon_ANewOneIsMadeBefore()
    {
        using TemporaryFolder folder = new();
        ServerOptions options = new() { Listen = IPAddress.Any, ConfigDirectory = folder.Path };
        OtherDay day = new() { Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero) };
        string first = Load();
        day.Now = day.Now.AddDays(825 - 70);
        Assert.Equal(first, Load());
        day.Now = day.Now.AddDays(20);
        string second = Load();
        Assert.NotEqual(first, second);
        day.Now = day.Now.AddDays(-700); // a clock that was wrong when it was made
        Assert.NotEqual(second, Load());

        string Load()
        {
            using X509Certificate2 certificate = HostCertificate.Load(options, day);
            Assert.InRange(day.Now.UtcDateTime, certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());
            return HostCertificate.Fingerprint(certificate);
        }
    }

    [Fact]
    public void GivenFileIsNoCertificate_SaysSo()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "broken.pem");
        File.WriteAllText(path, "-----BEGIN CERTIFICATE-----\nnonsense\n");
        ServerStartException exception = Assert.Throws<ServerStartException>(() =>
            HostCertificate.Load(new() { CertificatePath = path }, TimeProvider.System));
        Assert.Equal(ServerStartFailure.CertificateUnusable, exception.Failure);
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
    }

    private sealed class OtherDay : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}

public sealed class HostIdentityTests
{
    [Fact]
    public void MadeOnFirstUse_AndTheSameEverSince_ForManyAtOnce()
    {
        using TemporaryFolder folder = new();
        string config = Path.Combine(folder.Path, "vitrine");
        string[] ids = new string[8];
        using Barrier together = new(ids.Length);
        Thread[] starts = [.. Enumerable.Range(0, ids.Length).Select(i => new Thread(() =>
        {
            together.SignalAndWait();
            ids[i] = HostIdentity.Load(config);
        }))];
        Array.ForEach(starts, start => start.Start());
        Array.ForEach(starts, start => start.Join());
        Assert.Single(ids.Distinct());
        Assert.Matches("^[0-9a-f]{32}$", ids[0]);
        Assert.Equal(ids[0], HostIdentity.Load(config));
        string file = Assert.Single(Directory.GetFiles(config));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not an id")]
    [InlineData("0123456789abcdef0123456789abcdef0123")]
    public void FileThatIsNone_IsSaid(string content)
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "host-id");
        File.WriteAllText(path, content);
        IOException said = Assert.Throws<IOException>(() => HostIdentity.Load(folder.Path));
        Assert.Contains(path, said.Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(path));
    }
}
