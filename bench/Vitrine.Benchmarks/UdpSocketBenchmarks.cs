using System.Net;
using BenchmarkDotNet.Attributes;
using Vitrine.Transports.Quic;

namespace Vitrine.Benchmarks;

/// <summary>Ten datagrams of 1,200 bytes sent to a socket of the same thread and taken from it.</summary>
[MemoryDiagnoser]
public class UdpSocketBenchmarks : IDisposable
{
    private const int SegmentBytes = 1200;
    private const int Segments = 10;
    private readonly byte[] _segments = new byte[Segments * SegmentBytes];
    private readonly UdpDatagram[] _into = new UdpDatagram[64];
    private readonly UdpSocket _sender;
    private readonly UdpSocket _plainSender;
    private readonly UdpSocket _receiver;
    private readonly UdpSocket _plainReceiver;

    public UdpSocketBenchmarks()
    {
        var local = new IPEndPoint(IPAddress.Loopback, 0);
        _sender = UdpSocket.Bind(local, new());
        _receiver = UdpSocket.Bind(local, new());
        _plainSender = UdpSocket.Bind(local, new() { Offload = false });
        _plainReceiver = UdpSocket.Bind(local, new() { Offload = false });
    }

    /// <summary>GSO to GRO.</summary>
    [Benchmark]
    public int OffloadBothWays() => Send(_sender, _receiver, _segments.Length);

    /// <summary>GSO to a peer without GRO: the kernel splits.</summary>
    [Benchmark]
    public int OffloadSending() => Send(_sender, _plainReceiver, _segments.Length);

    /// <summary>sendmmsg to recvmmsg.</summary>
    [Benchmark]
    public int Batches() => Send(_plainSender, _plainReceiver, _segments.Length);

    /// <summary>A call for each datagram.</summary>
    [Benchmark(Baseline = true)]
    public int OneByOne() => Send(_plainSender, _plainReceiver, SegmentBytes);

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
        _plainSender.Dispose();
        _plainReceiver.Dispose();
        GC.SuppressFinalize(this);
    }

    private int Send(UdpSocket from, UdpSocket to, int bytesACall)
    {
        SocketAddressBytes remote = to.ToAddress(to.LocalEndPoint);
        for (int at = 0; at < _segments.Length; at += bytesACall)
        {
            from.Send(_segments.AsSpan(at, bytesACall), SegmentBytes, in remote, default, EcnCodepoint.Capable0);
        }

        int received = 0;
        while (received < Segments)
        {
            received += to.Receive(bytesACall == SegmentBytes ? _into.AsSpan(0, 1) : _into);
        }

        return received;
    }
}
