//! Names that the benchmarks make their images of.

/// They go round.
pub(crate) const TOOLS: [&str; 11] = [
    "gromacs",
    "samtools",
    "lammps",
    "pytorch",
    "alpine",
    "openfoam",
    "quantum-espresso",
    "blast",
    "namd",
    "cp2k",
    "relion",
];
