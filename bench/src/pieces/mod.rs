//! The parts of the proxy that are measured one by one, each as a step to repeat. Used by the Criterion benches (time) and by
//! `ringway-bench instructions` (instructions); neither is known here.

mod echo;
mod http1;
mod pick;
mod route;

/// How a piece is run.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Makes the step (with all that it needs, which is not measured); calling the step does the work once. What it answers
    /// depends on the work, so that the work cannot be left out.
    Step(fn() -> Box<dyn FnMut() -> usize>),
    /// Does the work so often, on a worker of its own.
    Worker(fn(u64) -> std::io::Result<()>),
}

/// One part.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    /// What is typed to choose it.
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) about: &'static str,
    /// The work.
    pub(crate) work: Work,
}

/// All of them.
pub(crate) fn all() -> Vec<Piece> {
    [http1::PIECES, route::PIECES, pick::PIECES, echo::PIECES].concat()
}

/// Repeat a piece.
#[inline(never)]
pub(crate) fn repeat(piece: Piece, times: u64) -> std::io::Result<()> {
    match piece.work {
        Work::Step(make) => {
            let mut step = make();
            let mut sum = 0_usize;
            for _ in 0..times {
                sum = sum.wrapping_add(std::hint::black_box(step()));
            }
            std::hint::black_box(sum);
            Ok(())
        }
        Work::Worker(run) => run(times),
    }
}
