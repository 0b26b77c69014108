"""Structure models of knowledge graphs: scores of triples from learned vectors of entities and relations alone."""
