namespace Vitrine.Events.Processing;

/// <summary>Working on an event failed, and will fail again: the event is put aside.</summary>
/// <param name="message">For people.</param>
/// <param name="innerException">What was found below.</param>
public sealed class EventProcessingException(string message, Exception? innerException = null) : Exception(message, innerException);
