using Vitrine.Lab.Transport;

namespace Vitrine.Lab.Tests.Transport;

public sealed class DataSetRoundsTests
{
    [Fact]
    public void DataSets_AreThe23ThatWerePublished()
    {
        string[] expected =
        [
            "quic/light", "quic/medium", "quic/saturating", "quic/small-packet", "quic/large", "quic/weak-rtt-200-loss-5", "quic/weak-loss-12-jitter-80",
            "grpc/light", "grpc/medium", "grpc/saturating", "grpc/small-packet", "grpc/large", "grpc/weak-rtt-200-loss-5", "grpc/weak-loss-12-jitter-80",
            "http2/light", "http2/medium", "http2/saturating", "http2/small-packet", "http2/large", "http2/weak-rtt-200-loss-5", "http2/weak-loss-12-jitter-80",
            "set-up-rtt-100", "resumption-rtt-100",
        ];
        Assert.Equal(23, DataSetRounds.Names.Count);
        Assert.Equal(expected.Order(StringComparer.Ordinal), DataSetRounds.Names.Order(StringComparer.Ordinal));
    }
}
