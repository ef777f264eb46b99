using System.CommandLine;
using Vitrine.Capture.X11;
using Vitrine.Cli.Settings;
using Vitrine.Cli.Sharing;
using Vitrine.Frames;
using Vitrine.Imaging;

namespace Vitrine.Cli.Verbs;

/// <summary>One picture into a file or to standard output.</summary>
internal sealed class ShotVerb : SettingsVerb
{
    private const string StandardOutput = "-";

    private readonly Terminal _terminal;
    private readonly Argument<string> _file = new("file") { HelpName = "FILE", Description = "the PNG file to write; - is standard output" };

    public ShotVerb(Terminal terminal)
        : base(
            terminal,
            "shot",
            "Writes one picture of the screen, a monitor, a region or a window as PNG, every pixel as it is.",
            Setting.Some("display", "monitor", "region", "window", "backend"),
            ("vitrine shot screen.png", "the whole desktop"),
            ("vitrine shot --region 800x600+100+50 part.png", "a part of it"),
            ("vitrine shot --window active - | ssh host 'cat > window.png'", "the window that has the focus, to another machine"))
    {
        _terminal = terminal;
        Arguments.Add(_file);
        SetAction(parsed => ReadSettings(parsed) is { } settings ? Run(settings, parsed.GetRequiredValue(_file)) : ExitCode.Usage);
    }

    private int Run(ShareSettings settings, string file)
    {
        if (file == StandardOutput && _terminal.OutputIsTerminal)
        {
            return _terminal.Fail(ExitCode.Usage, "A picture is not written to a terminal.", "It is binary and would garble it.", "Give a file, or send it on: vitrine shot - | display");
        }

        byte[] png;
        using (X11Source? source = new ScreenSources(settings).TryOpen(settings.Display, out string error))
        {
            if (source is null)
            {
                return _terminal.Fail(ExitCode.Missing, "No picture was taken.", error);
            }

            CaptureStatus status = source.Capture(out FrameLease? frame);
            for (int i = 0; status == CaptureStatus.FormatChanged && i < 8; i++)
            {
                status = source.Capture(out frame); // the size changed between opening and reading
            }

            if (status != CaptureStatus.Frame)
            {
                return _terminal.Fail(ExitCode.Failed, "No picture was taken.", status switch
                {
                    CaptureStatus.Hidden => "The window is hidden or minimised. Show it first.",
                    CaptureStatus.SourceClosed => "The window was closed.",
                    CaptureStatus.DisplayGone => "The display is gone.",
                    _ => $"The source answered {status}.",
                });
            }

            using (frame)
            {
                try
                {
                    if (file != StandardOutput)
                    {
                        PngFile.Write(file, frame!.Pixels, frame.Format);
                        return ExitCode.Done;
                    }

                    png = PngFile.Encode(frame!.Pixels, frame.Format);
                }
                catch (IOException unwritable)
                {
                    int code = unwritable.InnerException is UnauthorizedAccessException ? ExitCode.Refused : ExitCode.Failed;
                    return _terminal.Fail(code, unwritable.Message);
                }
                catch (DllNotFoundException missing)
                {
                    return _terminal.Fail(ExitCode.Missing, missing.Message);
                }
            }
        }

        try
        {
            using Stream output = Console.OpenStandardOutput();
            output.Write(png);
            output.Flush();
            return ExitCode.Done;
        }
        catch (IOException unwritable)
        {
            return _terminal.Fail(ExitCode.Failed, "The picture could not be written to standard output.", unwritable.Message);
        }
    }
}
