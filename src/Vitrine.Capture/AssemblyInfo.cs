using System.Runtime.CompilerServices;

// Every signature here is blittable: nothing is marshalled at run time.
[assembly: DisableRuntimeMarshalling]
