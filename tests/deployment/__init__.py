"""The program under Pulumi's own engine, on the embedded AWS."""
