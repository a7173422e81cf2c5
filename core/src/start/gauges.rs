//! Limits and loads of now, for the metrics: what the plan of the moment knows of its clusters and certificates. Counters are the workers' own.

use std::sync::{Arc, Mutex, PoisonError};

use ringway_balancer::Gate;

use super::unix_seconds;
use crate::observe::{CertificateGauge, ClusterGauges, EndpointGauges, GateGauges, Gauges};
use crate::plan::{Plan, Target};

/// Reads limits and loads from the plan of now.
pub(super) struct PlanGauges(pub(super) Arc<Mutex<Option<Arc<Plan>>>>);

impl PlanGauges {
    fn plan(&self) -> Option<Arc<Plan>> {
        let plan = self.0.lock();
        plan.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Gauges for PlanGauges {
    fn certificates(&self, each: &mut dyn FnMut(CertificateGauge<'_>)) {
        for certificate in self.plan().iter().flat_map(|p| &p.certificates) {
            each(CertificateGauge {
                tls: &certificate.tls,
                file: &certificate.file,
                left_s: certificate.not_after.saturating_sub(unix_seconds()),
            });
        }
    }

    fn clusters(&self, each: &mut dyn FnMut(ClusterGauges<'_>)) {
        for cluster in self.plan().iter().flat_map(|p| &p.clusters) {
            let endpoint = |t: &'_ Arc<Target>| (t.text.clone(), t.load.active());
            let endpoints: Vec<(String, u32)> = cluster.targets.iter().map(endpoint).collect();
            let endpoints: Vec<EndpointGauges<'_>> = endpoints
                .iter()
                .map(|(address, active)| EndpointGauges {
                    address,
                    active: *active,
                })
                .collect();
            let gate = |g: &Gate| GateGauges {
                in_use: g.in_use(),
                waiting: g.waiting(),
                limit: g.limit(),
            };
            each(ClusterGauges {
                name: &cluster.name,
                requests: gate(&cluster.requests),
                connections: gate(&cluster.connections),
                endpoints: &endpoints,
            });
        }
    }
}
