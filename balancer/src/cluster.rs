//! The endpoints of a cluster and the one match over the algorithms.
//! Not the limits of the cluster (see `gate`), and nothing that changes: a snapshot's endpoints are immutable.

use crate::draw::{Dice, Weighted};
use crate::endpoint::Endpoint;
use crate::round_robin::{Cycle, Turn};
use crate::tried::Tried;
use crate::{p2c, random};

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Of two drawn by weight, the less busy one. The default.
    P2c,
    /// In turn, each as often as its weight says, spread evenly.
    RoundRobin,
    /// By chance, in proportion to weights.
    Random,
}

/// Draws that may hit a tried endpoint before all members are looked at.
const REDRAWS: usize = 4;

/// Endpoints of the same rank (primary or backup) that may be chosen, with the tables for choosing.
#[derive(Debug)]
pub(crate) struct Tier {
    /// Indices in the cluster, all with a weight above 0. A place in this list is called a position.
    pub(crate) members: Vec<u32>,
    pub(crate) weighted: Weighted,
    /// Only for round robin.
    cycle: Option<Cycle>,
}

impl Tier {
    fn new(algorithm: Algorithm, endpoints: &[Endpoint], backup: bool) -> Self {
        let members: Vec<u32> = (0..endpoints.len())
            .filter(|&index| endpoints[index].backup == backup && endpoints[index].weight > 0)
            .map(|index| index as u32)
            .collect();
        let weights: Vec<u32> = members
            .iter()
            .map(|&index| endpoints[index as usize].weight)
            .collect();
        let cycle = (algorithm == Algorithm::RoundRobin).then(|| Cycle::new(&weights));
        Tier {
            weighted: Weighted::new(&weights),
            members,
            cycle,
        }
    }

    pub(crate) fn endpoint<'a>(&self, position: usize, endpoints: &'a [Endpoint]) -> &'a Endpoint {
        &endpoints[self.members[position] as usize]
    }
}

/// The endpoints of a cluster, immutable. Shared by all workers.
#[derive(Debug)]
pub struct Endpoints {
    algorithm: Algorithm,
    all: Vec<Endpoint>,
    primary: Tier,
    backup: Tier,
}

/// What one worker remembers between picks from one cluster (its places in the round-robin cycles). May be kept over a reload.
#[derive(Debug, Default)]
pub struct Cursor {
    primary: Turn,
    backup: Turn,
}

impl Endpoints {
    /// Makes the tables. An endpoint of weight 0 keeps its index but is never picked.
    pub fn new(algorithm: Algorithm, endpoints: Vec<Endpoint>) -> Self {
        Endpoints {
            algorithm,
            primary: Tier::new(algorithm, &endpoints, false),
            backup: Tier::new(algorithm, &endpoints, true),
            all: endpoints,
        }
    }

    /// The endpoint at `index`, which came from [`Endpoints::pick`] or is below [`Endpoints::len`].
    pub fn get(&self, index: usize) -> &Endpoint {
        &self.all[index]
    }

    /// How many endpoints there are, with those of weight 0.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Index of an endpoint not in `tried`; if all were tried, one of them. Backups only when no primary is untried.
    /// `None` only for an empty cluster, or if all weights are 0. `dice` is any random number.
    ///
    /// Constant time; only a pick with something tried may look at every endpoint.
    pub fn pick(&self, cursor: &mut Cursor, dice: u64, tried: &Tried) -> Option<usize> {
        let mut dice = Dice::new(dice);
        let Cursor { primary, backup } = cursor;
        self.untried(&self.primary, primary, &mut dice, tried)
            .or_else(|| self.untried(&self.backup, backup, &mut dice, tried))
            .or_else(|| self.any(&self.primary, primary, &mut dice))
            .or_else(|| self.any(&self.backup, backup, &mut dice))
    }

    /// From one tier, whether tried or not.
    fn any(&self, tier: &Tier, turn: &mut Turn, dice: &mut Dice) -> Option<usize> {
        if tier.members.is_empty() {
            return None;
        }
        let position = match (self.algorithm, &tier.cycle) {
            (Algorithm::RoundRobin, Some(cycle)) => cycle.next(turn, dice),
            (Algorithm::P2c, _) => p2c::pick(tier, &self.all, dice),
            (Algorithm::Random | Algorithm::RoundRobin, _) => random::pick(tier, dice),
        };
        Some(tier.members[position] as usize)
    }

    /// From one tier, only what was not tried.
    fn untried(
        &self,
        tier: &Tier,
        turn: &mut Turn,
        dice: &mut Dice,
        tried: &Tried,
    ) -> Option<usize> {
        if tried.is_empty() {
            return self.any(tier, turn, dice);
        }
        if let Some(cycle) = &tier.cycle {
            let position = cycle.next_untried(&tier.members, turn, dice, tried)?;
            return Some(tier.members[position] as usize);
        }
        for _ in 0..REDRAWS {
            let index = self.any(tier, turn, dice)?;
            if !tried.contains(index) {
                return Some(index);
            }
        }
        self.weighted_untried(tier, dice, tried)
    }

    /// By weight among the untried ones, by looking at all of them: where chance keeps hitting what was tried.
    fn weighted_untried(&self, tier: &Tier, dice: &mut Dice, tried: &Tried) -> Option<usize> {
        let untried = || {
            tier.members
                .iter()
                .map(|&index| index as usize)
                .filter(|&index| !tried.contains(index))
        };
        let total: u64 = untried()
            .map(|index| u64::from(self.all[index].weight))
            .sum();
        let mut left = dice.below(total);
        for index in untried() {
            let weight = u64::from(self.all[index].weight);
            if left < weight {
                return Some(index);
            }
            left -= weight;
        }
        None
    }
}
