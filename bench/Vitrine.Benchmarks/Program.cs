using BenchmarkDotNet.Running;

// dotnet run -c Release --project bench/Vitrine.Benchmarks -- --filter '*'
BenchmarkSwitcher.FromAssembly(typeof(Vitrine.Benchmarks.RingBenchmarks).Assembly).Run(args);
