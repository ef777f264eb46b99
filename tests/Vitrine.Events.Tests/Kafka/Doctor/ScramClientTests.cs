using System.Security.Cryptography;
using Vitrine.Events.Kafka.Doctor;

namespace Vitrine.Events.Tests.Kafka.Doctor;

public class ScramClientTests
{
    private const string Nonce = "rOprNGfwEbeRWgbNEkqO";
    private const string ServerFirst = $"r={Nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    [Fact]
    public void ExampleOfRfc7677_SameMessages()
    {
        ScramClient scram = new(HashAlgorithmName.SHA256, "user", "pencil", Nonce);
        Assert.Equal($"n,,n=user,r={Nonce}", scram.First);
        Assert.Equal($"c=biws,r={Nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", scram.Prove(ServerFirst));
        Assert.True(scram.IsProved("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        Assert.False(scram.IsProved("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        Assert.False(scram.IsProved("e=other-error"));
    }

    [Fact]
    public void CommasAndSignsInANameAreMasked() =>
        Assert.Equal($"n,,n=a=3Db=2Cc,r={Nonce}", new ScramClient(HashAlgorithmName.SHA512, "a=b,c", "", Nonce).First);

    [Theory]
    [InlineData("")]
    [InlineData("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData($"r={Nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData($"r={Nonce}x,s=***,i=4096")]
    [InlineData($"r={Nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1")]
    [InlineData($"r={Nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000")]
    [InlineData($"r={Nonce}x,i=4096")]
    public void OtherMessage_IsRefused(string serverFirst) =>
        Assert.Throws<KafkaProtocolException>(() => new ScramClient(HashAlgorithmName.SHA256, "user", "pencil", Nonce).Prove(serverFirst));
}
