"""What calls cost: this client, a plain gRPC stub and the other clients, on one server that costs nearly nothing."""
