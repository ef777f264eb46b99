namespace Vitrine.Transports.Calls;

/// <summary>How calls end on the caller's side, whatever carries them: by their deadline, their caller, their channel.</summary>
internal static class ClientCallEnd
{
    /// <summary>Refuses a call whose time is over before it begins.</summary>
    /// <exception cref="CallException">The deadline has passed.</exception>
    public static void ThrowIfPast(CallOptions options, TimeProvider time)
    {
        if (!options.Deadline.IsNone && options.Deadline.Remaining(time) == TimeSpan.Zero)
        {
            throw new CallException(CallStatusCode.DeadlineExceeded, "The deadline had passed before the call.");
        }
    }

    /// <summary>Is cancelled when the call is over by its deadline, its caller or its channel. The caller's to dispose of.</summary>
    public static CancellationTokenSource CreateSource(CallOptions options, TimeProvider time, CancellationToken caller, CancellationToken closed)
    {
        CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(caller, closed);
        if (!options.Deadline.IsNone && options.Deadline.Remaining(time) is var left && left.TotalMilliseconds < uint.MaxValue - 1)
        {
            over.CancelAfter(left);
        }

        return over;
    }

    /// <summary>What went wrong, when this side ended the call. To be asked before it ends the call for another reason.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="deadline">Of the call.</param>
    /// <param name="isOver">Whether this side ended it.</param>
    /// <param name="isGivenUp">Whether its caller did.</param>
    /// <param name="isClosed">Whether its channel did.</param>
    /// <param name="time">The deadline's clock.</param>
    /// <returns>Null when it was something else.</returns>
    public static CallException? Explain(Exception exception, CallDeadline deadline, bool isOver, bool isGivenUp, bool isClosed, TimeProvider time)
    {
        if (exception is CallException known)
        {
            return known;
        }

        // A deadline that has passed explains whatever came with it: the server resets the stream at the same moment. A timer may fire
        // a little before the clock says so: it is the deadline when nothing else is.
        if (!deadline.IsNone && (deadline.Remaining(time) == TimeSpan.Zero || (isOver && !isGivenUp && !isClosed)))
        {
            return new(CallStatusCode.DeadlineExceeded, "The deadline passed.", innerException: exception);
        }

        return isOver ? new(CallStatusCode.Cancelled, isClosed ? "The channel is closed." : "The call was given up.", innerException: exception) : null;
    }
}
