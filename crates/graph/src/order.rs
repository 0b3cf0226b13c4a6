//! Topological order and cycles of a scope, without recursion.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// The edges of a scope: `from[i]` are the nodes that node `i` refers to.
pub(crate) type References = Vec<Vec<usize>>;

/// A topological order, dependencies first, that keeps to the written order where it can; nodes on
/// or behind a cycle are missing.
pub(crate) fn topological(references: &References) -> Vec<usize> {
    let mut users = vec![Vec::new(); references.len()];
    let mut open: Vec<usize> = references.iter().map(Vec::len).collect();
    for (node, targets) in references.iter().enumerate() {
        for &target in targets {
            users[target].push(node);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..references.len()).filter(|&node| open[node] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(references.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &user in &users[node] {
            open[user] -= 1;
            if open[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    order
}

/// The number of the strongly connected component of each node: two nodes have the same number if
/// and only if each depends on the other (Tarjan 1972, with an explicit stack).
pub(crate) fn components(references: &References) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let count = references.len();
    let (mut visited, mut low) = (vec![NEW; count], vec![0; count]);
    let mut component = vec![NEW; count];
    let (mut clock, mut components) = (0, 0);
    let mut members = Vec::new();
    let mut calls: Vec<(usize, usize)> = Vec::new();
    for start in 0..count {
        if visited[start] != NEW {
            continue;
        }
        calls.push((start, 0));
        while let Some((node, next)) = calls.pop() {
            if next == 0 {
                visited[node] = clock;
                low[node] = clock;
                clock += 1;
                members.push(node);
            }
            if let Some(&target) = references[node].get(next) {
                calls.push((node, next + 1));
                if visited[target] == NEW {
                    calls.push((target, 0));
                } else if component[target] == NEW {
                    low[node] = low[node].min(visited[target]);
                }
                continue;
            }
            if low[node] == visited[node] {
                while let Some(member) = members.pop() {
                    component[member] = components;
                    if member == node {
                        break;
                    }
                }
                components += 1;
            }
            if let Some(&(caller, _)) = calls.last() {
                low[caller] = low[caller].min(low[node]);
            }
        }
    }
    component
}

/// One cycle for each component that has any, found from its first written node by following the
/// first reference that stays in the component.
pub(crate) fn cycles(references: &References, component: &[usize]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; references.len()];
    let mut cycles = Vec::new();
    for start in 0..references.len() {
        if std::mem::replace(&mut seen[component[start]], true) {
            continue;
        }
        let mut path = vec![start];
        let mut place = HashMap::from([(start, 0)]);
        let mut node = start;
        while let Some(next) =
            references[node].iter().copied().find(|&next| component[next] == component[start])
        {
            if let Some(&first) = place.get(&next) {
                cycles.push(path.split_off(first));
                break;
            }
            place.insert(next, path.len());
            path.push(next);
            node = next;
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_written_order_where_it_can() {
        assert_eq!(topological(&vec![vec![], vec![], vec![0]]), [0, 1, 2]);
        assert_eq!(topological(&vec![vec![2], vec![], vec![]]), [1, 2, 0]);
        assert_eq!(topological(&vec![vec![1, 1], vec![]]), [1, 0]);
    }

    #[test]
    fn leaves_out_what_is_on_or_behind_a_cycle() {
        assert_eq!(topological(&vec![vec![1], vec![0], vec![1], vec![]]), [3]);
    }

    #[test]
    fn finds_components_and_one_cycle_of_each() {
        // 0 ⇄ 1, 2 → 1, 3 → 3, 4 alone, 5 → 6 → 7 → 6.
        let references =
            vec![vec![1], vec![0], vec![1], vec![3], vec![], vec![6], vec![7], vec![6]];
        let component = components(&references);
        assert_eq!(component[0], component[1]);
        assert_ne!(component[2], component[1]);
        assert_ne!(component[5], component[6]);
        assert_eq!(component[6], component[7]);
        assert_eq!(cycles(&references, &component), [vec![0, 1], vec![3], vec![6, 7]]);
    }

    #[test]
    fn long_chains_and_rings_need_no_stack() {
        let ring: References = (0..100_000).map(|i| vec![(i + 1) % 100_000]).collect();
        let component = components(&ring);
        assert!(component.iter().all(|&c| c == component[0]));
        assert_eq!(cycles(&ring, &component)[0].len(), 100_000);
    }
}
