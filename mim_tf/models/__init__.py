"""The networks of Sec. 3: text encoder, Enc, MTFG, ICM, FIR, TLU and the discriminators."""
