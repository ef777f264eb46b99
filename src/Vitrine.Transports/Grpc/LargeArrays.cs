namespace Vitrine.Transports.Grpc;

/// <summary>Lends arrays for messages that are too large for the shared pool, which would keep dozens of each size for each processor, for
/// good. The latest free ones are kept, <see cref="KeptBytesMax"/> of them; the others are the garbage collector's.</summary>
/// <remarks>Thread-safe.</remarks>
internal static class LargeArrays
{
    /// <summary>Up to here the shared pool has them.</summary>
    public const int OthersBytesMax = 64 << 10;

    /// <summary>Bytes of free arrays that are kept, altogether.</summary>
    public const int KeptBytesMax = 8 << 20;

    private const int StepBytes = 64 << 10;

    private static readonly Lock s_lock = new();
    private static readonly List<byte[]> s_free = [];
    private static int s_freeBytes;

    /// <summary>Bytes of free arrays.</summary>
    public static int FreeBytes => Volatile.Read(ref s_freeBytes);

    /// <summary>An array, not cleared, at most twice as long or, when it is new, <see cref="OthersBytesMax"/> longer than asked for.</summary>
    public static byte[] Rent(int bytesMin)
    {
        lock (s_lock)
        {
            for (int i = s_free.Count - 1; i >= 0; i--)
            {
                byte[] array = s_free[i];
                if (array.Length >= bytesMin && array.Length / 2 <= bytesMin)
                {
                    s_free.RemoveAt(i);
                    s_freeBytes -= array.Length;
                    return array;
                }
            }
        }

        return GC.AllocateUninitializedArray<byte>((int)Math.Min(((long)bytesMin + StepBytes - 1) / StepBytes * StepBytes, Array.MaxLength));
    }

    /// <summary>Takes an array back, which nobody uses any more.</summary>
    public static void Return(byte[] array)
    {
        if (array.Length > KeptBytesMax / 2)
        {
            return; // it would drive out all others
        }

        lock (s_lock)
        {
            s_free.Add(array);
            s_freeBytes += array.Length;
            while (s_freeBytes > KeptBytesMax)
            {
                s_freeBytes -= s_free[0].Length;
                s_free.RemoveAt(0);
            }
        }
    }
}
