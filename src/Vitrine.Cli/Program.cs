using Vitrine.Cli;

return await CommandTree.RunAsync(Terminal.OfProcess(), args).ConfigureAwait(false);
