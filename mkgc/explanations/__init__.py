"""Why a model predicts what it does: attention between text and images, and what leaving parts out changes."""
