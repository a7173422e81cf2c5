//! By chance, in proportion to weights. Blind to load; the right choice where exchanges are alike or endpoints unknown.

use crate::cluster::Tier;
use crate::draw::Dice;

/// A position in `tier` (which has at least one member).
pub(crate) fn pick(tier: &Tier, dice: &mut Dice) -> usize {
    tier.weighted.draw(dice)
}
