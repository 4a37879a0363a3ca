//! The DAG as text for graph tools: Graphviz DOT and Mermaid.

use std::fmt::Write as _;

use petgraph::visit::EdgeRef;

use super::{Edge, Plan};

/// Graphviz. Solid edges are needs, dashed ones only order.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
    for node in plan.graph.node_indices() {
        let _ = writeln!(
            out,
            "  n{} [label=\"{}\"];",
            node.index(),
            plan.step_id(&plan.graph[node])
        );
    }
    for edge in plan.graph.edge_references() {
        let style = match edge.weight() {
            Edge::Needs => "",
            Edge::After => " [style=dashed]",
        };
        let _ = writeln!(
            out,
            "  n{} -> n{}{style};",
            edge.source().index(),
            edge.target().index()
        );
    }
    out.push_str("}\n");
    out
}

/// Mermaid. Solid edges are needs, dotted ones only order.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    for node in plan.graph.node_indices() {
        let _ = writeln!(
            out,
            "  n{}[\"{}\"]",
            node.index(),
            plan.step_id(&plan.graph[node])
        );
    }
    for edge in plan.graph.edge_references() {
        let arrow = match edge.weight() {
            Edge::Needs => "-->",
            Edge::After => "-.->",
        };
        let _ = writeln!(
            out,
            "  n{} {arrow} n{}",
            edge.source().index(),
            edge.target().index()
        );
    }
    out
}
