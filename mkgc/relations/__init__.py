"""What tasks over sentences with two marked mentions share: examples, markers, features, the network, reports."""
