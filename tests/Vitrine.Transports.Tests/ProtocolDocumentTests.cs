using Vitrine.Transports.Calls;
using Vitrine.Transports.Http2;
using Vitrine.Transports.Quic;
using Vitrine.Wire.Tests;

namespace Vitrine.Transports.Tests;

/// <summary>Numbers of the transports stand in <c>docs/PROTOCOL.md</c>.</summary>
public sealed class ProtocolDocumentTests
{
    [Fact]
    public void FramesOfCalls_AreThoseOfTheDocument() =>
        Assert.Equal(Enum.GetValues<CallFrameType>().Select(type => ((int)type, $"{type}")), ProtocolDocument.Types("Calls over QUIC"));

    [Fact]
    public void StatusesOfCalls_HaveTheHttpStatusesOfTheDocument()
    {
        // | CANCELLED | 499 | | FAILED_PRECONDITION | 400 |
        Dictionary<string, int> documented = [];
        foreach (string[] cells in ProtocolDocument.Below("## JSON over HTTP", "## ").Select(line => line.Split('|', StringSplitOptions.TrimEntries)).Where(cells => cells.Length == 7))
        {
            foreach ((string name, string status) in ((string, string)[])[(cells[1], cells[2]), (cells[4], cells[5])])
            {
                if (int.TryParse(status, null, out int number))
                {
                    documented.Add(name.Replace("_", "", StringComparison.Ordinal), number);
                }
            }
        }

        Assert.Equal(
            Enum.GetValues<CallStatusCode>().Where(code => code != CallStatusCode.Ok).ToDictionary(code => $"{code}".ToUpperInvariant(), Problem.HttpStatus),
            documented);
    }

    [Fact]
    public void StaleVideo_IsResetWithTheNumberOfTheDocument() =>
        Assert.Contains(ProtocolDocument.Below("## Live stream over QUIC", "## "), line => line.Contains($"reset with 0x{QuicPacketConnection.StaleCode:x2}", StringComparison.Ordinal));
}
