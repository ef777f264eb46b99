namespace Vitrine.Wire.Tests;

public sealed class SerialNumberTests
{
    [Theory]
    [InlineData(2u, 1u, true)]
    [InlineData(1u, 1u, false)]
    [InlineData(1u, 2u, false)]
    [InlineData(1u, uint.MaxValue, true)]
    [InlineData(uint.MaxValue, 1u, false)]
    [InlineData(0x80000000u, 1u, true)]
    public void IsAfter_WrapsAround(uint sequence, uint other, bool expected) => Assert.Equal(expected, SerialNumber.IsAfter(sequence, other));

    [Theory]
    [InlineData(1u, 2u)]
    [InlineData(uint.MaxValue, 1u)]
    public void Next_LeavesZeroOut(uint sequence, uint expected) => Assert.Equal(expected, SerialNumber.Next(sequence));
}
